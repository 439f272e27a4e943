"""What an audit found, for people."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from tradeengine.audit.report import CopyReport, Difference, ExchangeReport, TableReport, Verdict, Worth, overall
from tradeengine.domain.events import DifferenceFound
from tradeengine.domain.inputs import FillReported
from tradeengine.projection.sqlite_codec import decimal_text

_STYLE: Mapping[Verdict, str] = {Verdict.EQUAL: "green", Verdict.DIFFERENT: "bold red", Verdict.UNKNOWN: "yellow"}
_SUMMARY: Mapping[Verdict, str] = {
    Verdict.EQUAL: "equal: everything that was compared is as the journal says",
    Verdict.DIFFERENT: "different: see above, and docs/operations.md for what to do",
    Verdict.UNKNOWN: "not known: not everything could be compared, see above",
}
_DIGITS = 6


def show_audit(
    console: Console, journal: Mapping[int, int], copies: Sequence[CopyReport], exchange: ExchangeReport | None
) -> None:
    """Print a table of all tables, and below it whatever is not equal."""
    tables = [(copy.name, table) for copy in copies for table in copy.tables]
    if tables:
        console.print(_tables(tables))
    console.print(Text(f"journal: {sum(journal.values())} records (shards: {len(journal)})"))
    for copy in copies:
        for line in _lines(copy):
            console.print(line, soft_wrap=True)
    if exchange is not None:
        console.print(_exchange(exchange), soft_wrap=True)
    verdict = overall([copy.verdict for copy in copies] + ([exchange.verdict] if exchange else []))
    console.print(Text(_SUMMARY[verdict], _STYLE[verdict]), soft_wrap=True)


def _tables(reports: Sequence[tuple[str, TableReport]]) -> Table:
    table = Table(title="Tables beside the journal", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("store", "table"):
        table.add_column(name, no_wrap=True)
    for name in ("expected", "found"):
        table.add_column(name, justify="right")
    for name in ("verdict", "digest"):
        table.add_column(name, no_wrap=True)
    for store, report in reports:
        verdict = Text(_verdict(report), _STYLE[report.verdict])
        table.add_row(store, report.table, str(report.expected_rows), str(report.rows), verdict, _digest(report))
    return table


def _verdict(report: TableReport) -> str:
    if report.differing:
        return f"{report.differing} differ"
    return f"{report.moving} moving" if report.moving else report.verdict


def _digest(report: TableReport) -> str:
    if report.digest == report.expected_digest:
        return "equal"
    if report.verdict is Verdict.EQUAL:
        return "moved on"
    return f"{report.expected_digest[:_DIGITS]} {report.digest[:_DIGITS]}"


def _lines(copy: CopyReport) -> Iterator[Text]:
    if copy.trouble is not None:
        yield Text.assemble((f"{copy.name} could not be compared: ", "yellow"), copy.trouble)
        return
    behind = sum(copy.behind.values())
    yield Text(
        f"{copy.name}: {behind} records behind the journal, which is no difference"
        if behind
        else f"{copy.name}: up to date"
    )
    if copy.parked:
        yield Text(f"{copy.name}: parked rows: {copy.parked}, the first of them:", "bold red")
        for row in copy.first_parked:
            yield Text(f"  {row.table} {row.key} (shard {row.shard}, record {row.sequence}): {row.reason}")
    for table in copy.tables:
        if table.differing:
            told = f"{copy.name}: rows of {table.table} that differ: {table.differing}"
            yield Text(told if len(table.differences) == table.differing else f"{told}, the first of them:", "bold red")
        for one in table.differences:
            yield Text("  " + _difference(one))
        for column, (expected, found) in table.sums.items():
            yield Text(f"  the sum of {column} should be {decimal_text(expected)} and is {decimal_text(found)}")
        if table.moving:
            yield Text(
                f"{copy.name}: rows of {table.table} that changed whenever they were read: {table.moving}", "yellow"
            )


def _difference(one: Difference) -> str:
    key = ", ".join(f"{name}={value}" for name, value in one.key.items())
    if one.expected is None or one.found is None:
        return f"{key}: {'the copy lacks it' if one.found is None else 'the journal knows no such row'}"
    columns = [
        f"{name} should be {_value(one.expected[name])} and is {_value(one.found[name])}" for name in one.expected
    ]
    return f"{key}: {'; '.join(columns)}"


def _value(value: Any) -> str:
    return "null" if value is None else str(value)


def _exchange(report: ExchangeReport) -> RenderableType:
    if report.trouble is not None:
        return Text.assemble((f"{report.name} could not be compared: ", "yellow"), report.trouble)
    lines = [Text(f"{report.name}: {report.legs} legs compared, {report.foreign_orders} resting orders of others")]
    lines += [Text(f"  {_account_difference(one)}", "bold red") for one in report.differences]
    lines += [Text(f"  {_unseen(fill)}", "bold red") for fill in report.unseen]
    lines += [Text(f"  {leg}: {why}", "yellow") for leg, why in report.unjudged.items()]
    if report.worth is not None:
        lines.append(Text(f"  {_worth(report.worth)}", "dim"))
    return Group(*lines)


def _account_difference(one: DifferenceFound) -> str:
    books, exchange = decimal_text(one.books), decimal_text(one.exchange)
    return f"{one.symbol} {one.position_side or ''} {one.kind}: books {books}, exchange {exchange}; {one.text}"


def _unseen(fill: FillReported) -> str:
    what = f"{fill.side} {decimal_text(fill.quantity)} at {decimal_text(fill.price)}, order {fill.client_order_id}"
    return f"{fill.symbol} {fill.position_side} trade {fill.trade_id} is not in the books: {what}"


def _worth(worth: Worth) -> str:
    unrealized = "unknown" if worth.books_unrealized is None else decimal_text(worth.books_unrealized)
    return (
        f"for information: the exchange says wallet {decimal_text(worth.wallet)}, unrealised P&L "
        f"{decimal_text(worth.unrealized)}, equity {decimal_text(worth.wallet + worth.unrealized)}; the books have "
        f"booked {decimal_text(worth.booked)} since the journal began, unrealised P&L {unrealized}"
    )
