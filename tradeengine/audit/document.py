"""An audit as a JSON document; decimals are texts."""

from collections.abc import Mapping, Sequence
from typing import Any

from tradeengine.audit.report import CopyReport, Difference, ExchangeReport, TableReport, Verdict, overall
from tradeengine.projection.sqlite_codec import decimal_text

Document = dict[str, Any]


def audit_document(
    journal: Mapping[int, int], copies: Sequence[CopyReport], exchange: ExchangeReport | None
) -> Document:
    """Everything that an audit found.

    Parameters
    ----------
    journal
        Records of the journal by shard.
    """
    verdicts = [copy.verdict for copy in copies] + ([exchange.verdict] if exchange else [])
    return {
        "verdict": overall(verdicts),
        "journal": {"trouble": None, "records": sum(journal.values()), "shards": _by_text(journal)},
        "stores": [_copy(copy) for copy in copies],
        "exchange": exchange and _exchange(exchange),
    }


def unread_document(trouble: str) -> Document:
    """The same where the journal cannot be read: nothing could be compared with it."""
    return {
        "verdict": Verdict.UNKNOWN,
        "journal": {"trouble": trouble, "records": None, "shards": {}},
        "stores": [],
        "exchange": None,
    }


def _copy(report: CopyReport) -> Document:
    return {
        "store": report.name,
        "verdict": report.verdict,
        "trouble": report.trouble,
        "records_behind": sum(report.behind.values()),
        "behind": _by_text(report.behind),
        "parked_rows": report.parked,
        "first_parked_rows": [row._asdict() for row in report.first_parked],
        "tables": [_table(table) for table in report.tables],
    }


def _table(report: TableReport) -> Document:
    return {
        "table": report.table,
        "verdict": report.verdict,
        "rows_expected": report.expected_rows,
        "rows_found": report.rows,
        "digest_expected": report.expected_digest,
        "digest_found": report.digest,
        "rows_differing": report.differing,
        "rows_moving": report.moving,
        "sums": {
            column: {"expected": decimal_text(expected), "found": decimal_text(found)}
            for column, (expected, found) in report.sums.items()
        },
        "first_differences": [_difference(one) for one in report.differences],
    }


def _difference(one: Difference) -> Document:
    return {"kind": one.kind, "key": one.key, "expected": one.expected, "found": one.found}


def _exchange(report: ExchangeReport) -> Document:
    worth = report.worth
    return {
        "venue": report.name,
        "verdict": report.verdict,
        "trouble": report.trouble,
        "legs": report.legs,
        "differences": [
            {
                "symbol": one.symbol,
                "position_side": one.position_side,
                "kind": one.kind,
                "order_id": one.client_order_id,
                "books_quantity": decimal_text(one.books),
                "exchange_quantity": decimal_text(one.exchange),
                "text": one.text,
            }
            for one in report.differences
        ],
        "unseen_trades": [
            {
                "symbol": fill.symbol,
                "position_side": fill.position_side,
                "trade_id": fill.trade_id,
                "order_id": fill.client_order_id,
                "side": fill.side,
                "quantity": decimal_text(fill.quantity),
                "price": decimal_text(fill.price),
            }
            for fill in report.unseen
        ],
        "unjudged": dict(report.unjudged),
        "foreign_orders": report.foreign_orders,
        "worth": worth
        and {
            "wallet": decimal_text(worth.wallet),
            "unrealized_pnl": decimal_text(worth.unrealized),
            "equity": decimal_text(worth.wallet + worth.unrealized),
            "books_booked": decimal_text(worth.booked),
            "books_unrealized_pnl": None if worth.books_unrealized is None else decimal_text(worth.books_unrealized),
        },
    }


def _by_text(shards: Mapping[int, int]) -> dict[str, int]:
    return {str(shard): number for shard, number in sorted(shards.items())}
