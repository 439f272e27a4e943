"""Reading the read model on MongoDB: one page of a checked query."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from contracts.query import BadCursor
from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.projection.base import Parked, ParkedRow
from tradeengine.projection.mongodb_codec import MADE, from_store, to_json, to_store
from tradeengine.projection.mongodb_redo import PARKED
from tradeengine.projection.mongodb_rows import collection
from tradeengine.projection.query import Query
from tradeengine.projection.sqlite_codec import decimal_text
from tradeengine.projection.tables import Kind

_OPERATORS: Final = {"=": "$eq", ">=": "$gte", "<": "$lt"}
_NULL: Final = "null"
_PRESENT: Final = "="
_FROM_TEXT: Final[dict[Kind, Callable[[str], Any]]] = {
    Kind.TEXT: str,
    Kind.DECIMAL: Decimal,
    Kind.TIME: int,
    Kind.DATE: int,
    Kind.INTEGER: int,
    Kind.BOOLEAN: {"True": True, "False": False}.__getitem__,
}


async def read_page(
    store: MongoStore, query: Query, shown: Callable[[Kind, Any], Any] = to_json
) -> tuple[list[dict[str, Any]], str | None]:
    """Rows of a page and the cursor of the next one.

    Rows are sorted by the column, what is null first, and then by the order in which they were made, which never
    changes; so a page starts exactly after the one before, whatever was inserted meanwhile.

    Parameters
    ----------
    shown
        Makes a JSON value of what MongoDB holds in a column of a kind.
    """
    way = -1 if query.descending else 1
    order = [(MADE, way)] if query.sort is None else [(query.sort, way), (MADE, way)]
    with mapped_errors(writing=False):
        found = collection(store, query.table.name).find(_filter(query)).sort(order).limit(query.limit + 1)
        documents = await found.to_list()
    rows = [
        {name: shown(kind, document.get(name)) for name, kind in query.table.columns.items()}
        for document in documents[: query.limit]
    ]
    if len(documents) <= query.limit:
        return rows, None
    last = documents[query.limit - 1]
    return rows, query.cursor((_order_text(query, last), last[MADE]))


async def read_parked(store: MongoStore, limit: int) -> Parked:
    """Rows that were put aside, oldest first."""
    with mapped_errors(writing=False):
        held = collection(store, PARKED)
        documents = await held.find({}).sort(MADE, 1).limit(limit).to_list()
        number = await held.count_documents({})
    rows = [
        ParkedRow(row["table"], row["key"], row["reason"], int(row["shard"]), int(row["sequence"])) for row in documents
    ]
    return Parked(number, rows)


def _filter(query: Query) -> Document:
    kinds = query.table.columns
    conditions: list[Document] = [
        {condition.column: {_OPERATORS[condition.operator]: to_store(kinds[condition.column], condition.value)}}
        for condition in query.conditions
    ]
    if query.after is not None:
        conditions.append(_beyond(query))
    return {"$and": conditions} if conditions else {}


def _beyond(query: Query) -> Document:
    """Condition of the rows after a page."""
    beyond = "$lt" if query.descending else "$gt"
    value, made = query.after or ("", "")
    later = {MADE: {beyond: made}}
    column = query.sort
    if column is None:
        return later
    held = _order_value(query, str(value))
    ways: list[Document] = [{column: held, **later}]
    if held is not None:
        ways.append({column: {beyond: held}})
        if query.descending:
            ways.append({column: None})
    elif not query.descending:
        ways.append({column: {"$ne": None}})
    return {"$or": ways}


def _order_text(query: Query, document: Document) -> str:
    """What a cursor says about the row that a page ended with."""
    held = None if query.sort is None else document.get(query.sort)
    if held is None:
        return _NULL
    value = from_store(query.table.columns[query.sort or ""], held)
    return _PRESENT + (decimal_text(value) if isinstance(value, Decimal) else str(value))


def _order_value(query: Query, text: str) -> Any:
    """What a cursor says, as MongoDB holds it."""
    if text == _NULL:
        return None
    kind = query.table.columns[query.sort or ""]
    try:
        return to_store(kind, _FROM_TEXT[kind](text.removeprefix(_PRESENT)))
    except (ValueError, ArithmeticError, KeyError):
        raise BadCursor("the cursor is none of this engine's: take next_cursor of the page before as it is") from None
