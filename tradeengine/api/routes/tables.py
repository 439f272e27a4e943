"""Tables of the read model: filters, sorting and paging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.convertors import StringConvertor, register_url_convertor

from contracts.api import Code, Row, Rows
from contracts.query import MAX_LIMIT, Page
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.parameters import once, only
from tradeengine.api.problems import ProblemError, documented
from tradeengine.api.rendering import json_response
from tradeengine.api.services import ApiServices
from tradeengine.projection import tables as stored

_PAGING = ("limit", "cursor", "sort")
_SYMBOL = "[A-Z0-9]{2,30}"
_Symbol = Annotated[str, Path(pattern=f"^{_SYMBOL}$")]
_Id = Annotated[str, Path(min_length=1, max_length=128)]


class _SymbolConvertor(StringConvertor):
    """Lets ``{name:symbol}`` in a path match symbols only: what is none is no such route."""

    regex = _SYMBOL


register_url_convertor("symbol", _SymbolConvertor())


@dataclass(frozen=True)
class Table:
    """A route that reads a table.

    Parameters
    ----------
    filters
        Columns that the documentation names; every other column filters as well.
    """

    path: str
    name: str
    summary: str
    filters: tuple[str, ...]


TABLES = (
    Table(
        "/positions",
        "exchange_positions",
        "Exchange positions, each the sum of its strategies' positions",
        ("symbol", "side", "status"),
    ),
    Table(
        "/strategy-positions",
        "strategy_positions",
        "What each strategy holds or held",
        ("strategy_id", "symbol", "side", "status", "close_reason"),
    ),
    Table(
        "/contributions",
        "position_contributions",
        "Which part of an exchange position is whose",
        ("strategy_id", "symbol", "position_side", "exchange_position_key", "status"),
    ),
    Table("/orders", "orders", "Orders and what became of them", ("strategy_id", "symbol", "position_side", "status")),
    Table("/fills", "fills", "Executions", ("strategy_id", "symbol", "position_side", "order_id")),
    Table("/funding-payments", "funding_payments", "Funding, each strategy's share", ("strategy_id", "symbol")),
    Table("/decisions", "decisions", "What became of each signal", ("strategy_id", "symbol", "outcome", "reason")),
    Table("/alerts", "alerts", "What operators were told", ("name", "severity", "symbol", "strategy_id")),
    Table("/differences", "differences", "How books and exchange differed", ("symbol", "kind", "action", "status")),
    Table("/symbol-halts", "symbol_halts", "Symbols that are halted, or were", ("symbol", "halted")),
)


@dataclass(frozen=True)
class Paging:
    """Which page of which order."""

    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="most rows of the page")] = 100
    cursor: Annotated[str | None, Query(description="next_cursor of the page before, with the same filters")] = None
    # Its columns depend on the table: documented by each route.
    sort: Annotated[str | None, Query(include_in_schema=False)] = None


_Page = Annotated[Paging, Depends()]


def tables(services: ApiServices, keyring: Keyring) -> APIRouter:
    """Routes that read."""
    router = APIRouter(
        tags=["tables"],
        dependencies=[Depends(keyring.require(Role.READER))],
        responses=documented(401, 403, 422, 500, 503),
    )
    model = services.read_model

    async def query(table: str, filters: Mapping[str, str], paging: Paging) -> Page:
        return await model.query(table, filters=filters, sort=paging.sort, cursor=paging.cursor, limit=paging.limit)

    def add(table: Table) -> None:
        async def read(request: Request, paging: _Page) -> Response:
            return _rows(await query(table.name, _filters(request), paging))

        read.__name__ = table.name
        router.add_api_route(
            table.path,
            read,
            response_model=Rows,
            summary=table.summary,
            openapi_extra=_documented(table.name, table.filters),
        )

    for table in TABLES:
        add(table)

    @router.get(
        "/positions/{symbol:symbol}",
        response_model=Rows,
        responses=documented(404),
        openapi_extra=_documented("exchange_positions", ("side", "status")),
    )
    async def positions_of_symbol(request: Request, symbol: _Symbol, paging: _Page) -> Response:
        """Exchange positions of one symbol: both legs, open and closed."""
        return _rows(await query("exchange_positions", {**_filters(request), "symbol": symbol}, paging))

    @router.get("/orders/{id}", response_model=Row, dependencies=[Depends(only())], responses=documented(404))
    async def order(id: _Id) -> Response:
        """One order by its client order id."""
        page = await query("orders", {"order_id": id}, Paging(limit=1))
        if not page.rows:
            raise ProblemError(404, Code.NOT_FOUND, f"no order {id!r}: GET /orders lists them by order_id")
        return _row(page)

    @router.get(
        "/decisions/{signal_id}",
        response_model=Row,
        dependencies=[Depends(only("strategy_id"))],
        responses=documented(404, 409),
    )
    async def decision(signal_id: _Id, strategy_id: str | None = None) -> Response:
        """What became of one signal; strategies may number theirs alike, then ``strategy_id`` tells which is meant."""
        filters = {"signal_id": signal_id} | ({"strategy_id": strategy_id} if strategy_id is not None else {})
        page = await query("decisions", filters, Paging(limit=MAX_LIMIT))
        if not page.rows:
            detail = f"no decision about {signal_id!r}: it did not arrive, or is not decided yet"
            raise ProblemError(404, Code.NOT_FOUND, detail)
        owners = sorted({str(row.get("strategy_id")) for row in page.rows})
        if len(owners) > 1:
            detail = f"{signal_id!r} was sent by {', '.join(owners[:5])}: add ?strategy_id="
            raise ProblemError(409, Code.AMBIGUOUS_SIGNAL_ID, detail)
        return _row(page)

    @router.get("/account", response_model=Row, dependencies=[Depends(only())])
    async def account() -> Response:
        """The account in figures, in quote currency, from the engine's own state."""
        return json_response({"data": services.account(), "source": "engine", "age_seconds": 0.0})

    return router


def _filters(request: Request) -> dict[str, str]:
    once(request)
    return {name: value for name, value in request.query_params.items() if name not in _PAGING}


def _rows(page: Page) -> Response:
    return json_response(
        {
            "data": page.rows,
            "next_cursor": page.next_cursor,
            "source": page.source,
            "age_seconds": page.age_seconds,
        }
    )


def _row(page: Page) -> Response:
    return json_response({"data": page.rows[0], "source": page.source, "age_seconds": page.age_seconds})


def _documented(table: str, filters: Sequence[str]) -> dict[str, Any]:
    columns = sorted(name for name, kind in stored.TABLES[table].columns.items() if kind is not stored.Kind.JSON)
    orders = [*columns, *(f"-{column}" for column in columns)]
    sort = _parameter("sort", "a column; with - before it, descending", {"type": "string", "enum": orders})
    return {"parameters": [sort, *(_parameter(name, "filter", {"type": "string"}) for name in filters)]}


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
