"""What is asked of a history: each question finds what must not be, and says where it is and what to do about it."""

from typing import Final, NamedTuple


class Question(NamedTuple):
    """A question to the file.

    Parameters
    ----------
    name
        What it finds, for programs.
    sql
        Selects a text for each thing that must not be.
    needs
        What must have been read for it.
    """

    name: str
    text: str
    remedy: str
    sql: str
    needs: frozenset[str] = frozenset()


_SIGNALS, _EVENTS, _EXCHANGE, _COPIES = (frozenset({name}) for name in ("signals", "events", "exchange", "copies"))

_NOTHING: Final[frozenset[str]] = frozenset()

_DEFECT: Final = "keep the journal and this report, and tell the maintainers; `tradeengine replay` says more"
_TELL_AGAIN: Final = "publish again from the record that is named: `tradeengine publish --from RECORD --shard SHARD`"

QUESTIONS: Final = (
    Question(
        "decided_twice",
        "signals that were decided twice",
        f"two owners have worked on one shard: halt the symbols, {_DEFECT}",
        # A name that comes again after it was forgotten is a signal of its own: it is younger than that decision.
        "SELECT shown(a.key) || ': records ' || a.sequence || ' and ' || b.sequence || ' of shard ' || a.shard"
        " FROM decision a JOIN decision b ON a.key = b.key AND a.rowid <> b.rowid"
        " AND (a.sequence < b.sequence OR (a.sequence = b.sequence AND a.rowid < b.rowid))"
        " WHERE b.sent_ms <= max(a.time_ms, a.sent_ms)",
    ),
    Question(
        "undecided",
        "signals in the stream without a decision",
        "see whether an engine works (`tradeengine cluster`), and whether the consumer of the shard has skipped them "
        "(`nats consumer info`); have the strategy send again what still counts",
        "SELECT shown(key) || ': message ' || number || ' of ' || stream FROM sent"
        " WHERE time_ms <= :cutoff AND NOT EXISTS (SELECT 1 FROM decision WHERE decision.key = sent.key)",
        _SIGNALS,
    ),
    Question(
        "end_not_told",
        "signals that have ended and lack their terminal event",
        _TELL_AGAIN,
        "SELECT shown(key) || ': ended by record ' || last || ' of shard ' || shard || ', ' || ended ||"
        " ' decisions, ' || coalesce(events, 0) || ' terminal events' FROM"
        " (SELECT key, count(*) AS ended, max(over_sequence) AS last, max(decision.shard) AS shard FROM decision"
        " JOIN reach ON reach.store = 'events' AND reach.shard = decision.shard AND over_sequence <= reach.sequence"
        " WHERE over_ms BETWEEN :told_since AND :cutoff GROUP BY key)"
        " LEFT JOIN (SELECT key, count(*) AS events FROM told GROUP BY key) USING (key)"
        " WHERE ended > coalesce(events, 0)",
        _EVENTS,
    ),
    Question(
        "end_told_twice",
        "signals with more terminal events than decisions",
        f"strategies have heard of two ends: {_DEFECT}",
        "SELECT shown(key) || ': ' || group_concat(event_id, ', ') FROM told WHERE time_ms <= :cutoff"
        " GROUP BY key HAVING count(*) > (SELECT count(*) FROM decision WHERE decision.key = told.key)",
        _EVENTS,
    ),
    Question(
        "planned_twice",
        "orders that were planned twice under one id",
        f"halt the symbols, {_DEFECT}",
        "SELECT order_id || ' of ' || symbol || ': first in record ' || sequence || ' of shard ' || shard"
        " FROM planned WHERE times > 1",
    ),
    Question(
        "executed_unplanned",
        "orders of this engine that the exchange executed and no record plans",
        "records are missing: was the journal restored from a backup? Stop the engines, find the newer journal",
        "SELECT order_id || ' of ' || symbol || ': order ' || number || ' executed ' || executed FROM taken"
        " WHERE executed <> '0' AND order_id LIKE :own AND time_ms <= :cutoff"
        " AND NOT EXISTS (SELECT 1 FROM planned WHERE planned.order_id = taken.order_id)",
        _EXCHANGE,
    ),
    Question(
        "executed_twice",
        "orders that the exchange executed twice, or beyond what was planned",
        f"the position is larger than was wanted: reduce it by hand if need be, {_DEFECT}",
        "SELECT order_id || ' of ' || taken.symbol || ': exchange orders ' || group_concat(number, ', ')"
        " || ' executed ' || group_concat(executed, ' + ') || ', planned ' || planned.quantity"
        " FROM taken JOIN planned USING (order_id) WHERE executed <> '0' GROUP BY order_id"
        " HAVING count(*) > 1 OR max(beyond(executed, planned.quantity))",
        _EXCHANGE,
    ),
    Question(
        "fill_lost",
        "trades of the exchange that are not in the journal",
        "start an engine: it reads them back; if one works, look at its `/health`, and at `tradeengine reconcile`",
        "SELECT symbol || ' trade ' || trade_id || ': ' || quantity || ' at ' || price || ', exchange order ' || number"
        " FROM traded WHERE time_ms BETWEEN :traded_since AND :cutoff AND NOT EXISTS (SELECT 1 FROM booked"
        " WHERE booked.symbol = traded.symbol AND booked.trade_id = traded.trade_id)",
        _EXCHANGE,
    ),
    Question(
        "fill_booked_twice",
        "trades that were booked twice",
        f"the books hold too much: `tradeengine reconcile` puts them right; {_DEFECT}",
        "SELECT symbol || ' trade ' || trade_id || ': first in record ' || sequence || ' of shard ' || shard"
        " FROM booked WHERE times > 1",
    ),
    Question(
        "fill_of_nothing",
        "fills in the journal that the exchange does not list",
        "is this the account that the journal traded? If it is, `tradeengine reconcile` puts the books right",
        "SELECT symbol || ' trade ' || trade_id || ': record ' || sequence || ' of shard ' || shard FROM booked"
        " WHERE times > 0 AND time_ms BETWEEN :traded_since AND :cutoff AND NOT EXISTS (SELECT 1 FROM traded"
        " WHERE booked.symbol = traded.symbol AND booked.trade_id = traded.trade_id)",
        _EXCHANGE,
    ),
    Question(
        "fill_differs",
        "fills that were booked otherwise than the exchange lists them",
        f"`tradeengine reconcile` puts the books right; {_DEFECT}",
        "SELECT booked.symbol || ' trade ' || booked.trade_id || ': booked ' || booked.quantity || ' at '"
        " || booked.price || ', the exchange says ' || traded.quantity || ' at ' || traded.price FROM booked"
        " JOIN traded USING (symbol, trade_id) WHERE times > 0"
        " AND (booked.quantity, booked.price) <> (traded.quantity, traded.price)",
        _EXCHANGE,
    ),
    Question(
        "copy_lacks",
        "rows that a copy lacks",
        "`tradeengine project --rebuild` makes the copy anew",
        "SELECT reach.store || ' has no row in ' || made.kind || ' for ' || shown(made.key) FROM"
        " (SELECT 'decisions' AS kind, key, shard, sequence FROM decision"
        " UNION ALL SELECT 'orders', order_id, shard, sequence FROM planned"
        " UNION ALL SELECT 'fills', symbol || ':' || trade_id, shard, sequence FROM booked WHERE times > 0) AS made"
        " JOIN reach ON reach.shard = made.shard WHERE reach.store <> 'events' AND made.sequence <= reach.sequence"
        " AND NOT EXISTS (SELECT 1 FROM held"
        " WHERE held.store = reach.store AND held.kind = made.kind AND held.key = made.key)",
        _COPIES,
    ),
    Question(
        "copy_has_more",
        "rows of a copy that no record makes",
        "somebody else wrote there: `tradeengine audit` names the rows; take them out, or rebuild the copy",
        "SELECT store || ' has a row in ' || kind || ' for ' || shown(key) FROM held"
        " JOIN ends ON ends.shard = held.shard WHERE held.sequence <= ends.sequence AND NOT CASE kind"
        " WHEN 'decisions' THEN EXISTS (SELECT 1 FROM decision WHERE decision.key = held.key)"
        " WHEN 'orders' THEN EXISTS (SELECT 1 FROM planned WHERE planned.order_id = held.key)"
        " ELSE EXISTS (SELECT 1 FROM booked WHERE symbol = substr(held.key, 1, instr(held.key, ':') - 1)"
        " AND trade_id = substr(held.key, instr(held.key, ':') + 1) AND times > 0) END",
        _COPIES,
    ),
)

COUNTS: Final = {
    "signals in the streams": ("SELECT count(DISTINCT key) FROM sent", _SIGNALS),
    "signals in the streams, younger than is judged": (
        "SELECT count(DISTINCT key) FROM sent WHERE time_ms > :cutoff",
        _SIGNALS,
    ),
    "decisions": ("SELECT count(*) FROM decision", _NOTHING),
    "copies told as duplicates": ("SELECT count(*) FROM copy", _NOTHING),
    "decisions whose orders are alive": ("SELECT count(*) FROM decision WHERE over_ms IS NULL", _NOTHING),
    "decisions that have ended": ("SELECT count(*) FROM decision WHERE over_ms IS NOT NULL", _NOTHING),
    "signals with no terminal event": (
        "SELECT count(DISTINCT key) FROM decision WHERE key NOT IN (SELECT key FROM told)",
        _EVENTS,
    ),
    "signals with one terminal event": (
        "SELECT count(*) FROM (SELECT 1 FROM told GROUP BY key HAVING count(*) = 1)",
        _EVENTS,
    ),
    "signals with more": ("SELECT count(*) FROM (SELECT 1 FROM told GROUP BY key HAVING count(*) > 1)", _EVENTS),
    "orders planned": ("SELECT count(*) FROM planned", _NOTHING),
    "orders taken by the exchange": ("SELECT count(DISTINCT order_id) FROM taken WHERE order_id LIKE :own", _EXCHANGE),
    "orders executed": (
        "SELECT count(DISTINCT order_id) FROM taken WHERE order_id LIKE :own AND executed <> '0'",
        _EXCHANGE,
    ),
    "fills booked": ("SELECT count(*) FROM booked WHERE times > 0", _NOTHING),
    "trades of the exchange": ("SELECT count(*) FROM traded", _EXCHANGE),
}
"""Figures by name, each with the question for it and what must have been read."""
