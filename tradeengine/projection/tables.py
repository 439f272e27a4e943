"""The read model's tables: names, keys and kinds of columns, the same for every store.

Notes on columns whose names do not say it all:

- ``pnl_pct`` and its like are percents, of the entry value of what was closed. What signals, orders and positions are
  given is a fraction, as in the signal: ``stop_loss_pct``, ``trailing_pct``, ``break_even_at_pct``, ``callback_pct``.
- ``positions.quantity`` is what is held while the position is open, and what was bought in all once it is closed.
- ``pnl`` and ``realized_pnl`` are gross; ``pnl_after_fees`` is less fees plus funding.
- ``commission_total``, ``final_commission`` and ``commission_asset`` are of the quote currency, and ``pnl_after_fees``
  is too. Fees paid in another asset stand in ``other_commissions``, by asset, and in ``fills``, where ``fee`` is of
  ``fee_asset``.
- ``funding_payments.time`` is the exchange's own, if it is known; ``rate`` and ``mark_price`` are null if they are not.
- ``entry_trade_ids`` and ``exit_trade_ids`` hold the first 1,000; ``fills`` has them all.
- ``stop_widened`` tells that the stop was moved out to the least distance, ``stop_clamped`` that it was moved in to the
  exchange's band, ``target_waits`` that the target lies outside that band and rests only once the market comes nearer.
- ``stop_loss_order_id`` and ``take_profit_order_id``, or ``sl_order_id`` and ``tp_order_id``, name the newest order of
  their kind that has not ended: where one was refused, again the one that it was to replace. A closed position keeps
  the last.
- ``exchange_positions.contributing_strategies`` are those that hold something now; ``total_contributions`` counts
  opening fills since the position was last flat; ``unrealized_pnl`` depends on a price, which no record holds: null.
- ``orders.order_id`` is the client order id; ``venue_order_id`` the exchange's own. ``replaces_order_id`` names the
  stop or target that leaves once this one rests; ``close_reason`` is what a closing order's fills are booked as;
  ``refusal`` is what kind of refusal the venue's ``reason`` was taken for.
- ``daily_pnl`` has a row for each symbol, so that each row belongs to one shard, as all rows do: whoever works on the
  shard writes it alone. ``trades`` counts fills, but not what was reconciled.
- ``fills.reconciled`` marks what no trade stands behind: the exchange held otherwise than the books.
- ``funding_payments.exchange_id`` is the exchange's own number, if it is known.
- ``differences.status`` is ``repaired`` where the books were made equal at once, ``open`` while a difference lasts, and
  ``over`` once it is found no more, at ``ended_at``. Quantities are of the leg, or of the order where one is named.
- ``symbol_halts`` has a row for every symbol that was ever halted.
- ``shard`` and ``sequence`` name the journal's record that made the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Kind(Enum):
    """What a column holds, and how rows carry it before a store writes it."""

    TEXT = auto()
    DECIMAL = auto()
    """``Decimal``"""
    TIME = auto()
    """Milliseconds since 1970 UTC as ``int``"""
    DATE = auto()
    """Days since 1970 UTC as ``int``"""
    INTEGER = auto()
    BOOLEAN = auto()
    JSON = auto()
    """Anything that JSON can hold"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Parameters
    ----------
    key
        Columns that name a row.
    columns
        Kind of every column, the key's too.
    indexes
        Columns, or lists of columns, that are searched often.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Kind]
    indexes: tuple[tuple[str, ...], ...] = ()


def _columns(text: str) -> dict[str, Kind]:
    """Read ``name:kind`` words; a name alone is a text."""
    words = [word.partition(":") for word in text.split()]
    return {name: Kind[kind.upper() or "TEXT"] for name, _, kind in words}


DECISIONS = Table(
    "decisions",
    key=("signal_id", "strategy_id", "symbol"),
    columns=_columns(
        """
        signal_id strategy_id symbol action outcome reason source detail orders:json duplicates:integer
        confidence:decimal strength strategy_mode order_type time_in_force position_side timeframe
        price:decimal current_price:decimal quantity:decimal quote_quantity:decimal position_size_pct:decimal
        stop_loss:decimal take_profit:decimal stop_loss_pct:decimal take_profit_pct:decimal
        trailing_pct:decimal break_even_at_pct:decimal
        target_price:decimal conditional_price:decimal conditional_direction conditional_timeout_s:integer
        mark_price:decimal signal_time:time decided_at:time last_duplicate_at:time metadata:json
        shard:integer sequence:integer
        """
    ),
)
ORDERS = Table(
    "orders",
    key=("order_id",),
    columns=_columns(
        """
        order_id venue_order_id strategy_id signal_id strategy_position_id exchange_position_key
        symbol side position_side purpose close_reason type time_in_force replaces_order_id
        quantity:decimal price:decimal trigger_price:decimal callback_pct:decimal status reason refusal cancel_reason
        filled_quantity:decimal filled_value:decimal average_price:decimal remaining_quantity:decimal
        commission_total:decimal commission_asset
        created_at:time updated_at:time expires_at:time cancel_requested_at:time ended_at:time
        shard:integer sequence:integer
        """
    ),
    indexes=(("status",),),
)
FILLS = Table(
    "fills",
    key=("trade_id", "symbol", "strategy_id"),
    columns=_columns(
        """
        trade_id symbol strategy_id time:time order_id strategy_position_id exchange_position_key
        side position_side opening:boolean price:decimal quantity:decimal value:decimal fee:decimal fee_asset
        realized_pnl:decimal close_reason maker:boolean reconciled:boolean shard:integer sequence:integer
        """
    ),
)
POSITIONS = Table(
    "positions",
    key=("position_id",),
    columns=_columns(
        """
        position_id strategy_id exchange symbol position_side entry_price:decimal quantity:decimal entry_time:time
        stop_loss:decimal take_profit:decimal trailing_pct:decimal break_even_at_pct:decimal
        stop_widened:boolean stop_clamped:boolean target_waits:boolean
        status metadata:json exchange_position_id entry_order_id
        entry_trade_ids:json stop_loss_order_id take_profit_order_id commission_asset commission_total:decimal
        other_commissions:json funding_total:decimal
        exit_price:decimal exit_time:time exit_order_id exit_trade_ids:json pnl:decimal pnl_pct:decimal
        pnl_after_fees:decimal duration_seconds:decimal close_reason final_commission:decimal
        created_at:time updated_at:time shard:integer sequence:integer
        """
    ),
    indexes=(("status",),),
)
STRATEGY_POSITIONS = Table(
    "strategy_positions",
    key=("strategy_position_id",),
    columns=_columns(
        """
        strategy_position_id strategy_id signal_id symbol side entry_quantity:decimal entry_price:decimal
        entry_time:time entry_order_id take_profit_price:decimal stop_loss_price:decimal tp_order_id sl_order_id
        status current_quantity:decimal exit_quantity:decimal exit_price:decimal exit_time:time close_reason
        realized_pnl:decimal realized_pnl_pct:decimal commission_total:decimal other_commissions:json
        funding_total:decimal trailing_pct:decimal break_even_at_pct:decimal
        stop_widened:boolean stop_clamped:boolean target_waits:boolean
        exchange_position_key strategy_metadata:json updated_at:time shard:integer sequence:integer
        """
    ),
    indexes=(("status",),),
)
POSITION_CONTRIBUTIONS = Table(
    "position_contributions",
    key=("contribution_id",),
    columns=_columns(
        """
        contribution_id strategy_position_id exchange_position_key strategy_id symbol position_side
        contribution_quantity:decimal contribution_entry_price:decimal contribution_time:time
        position_sequence:integer exchange_quantity_before:decimal exchange_quantity_after:decimal
        status close_reason exit_time:time exit_price:decimal contribution_pnl:decimal contribution_pnl_pct:decimal
        shard:integer sequence:integer
        """
    ),
    indexes=(("strategy_position_id",),),
)
EXCHANGE_POSITIONS = Table(
    "exchange_positions",
    key=("exchange_position_key",),
    columns=_columns(
        """
        exchange_position_key symbol side current_quantity:decimal weighted_avg_price:decimal unrealized_pnl:decimal
        first_entry_time:time last_update_time:time status contributing_strategies:json total_contributions:integer
        realized_pnl:decimal commission_total:decimal other_commissions:json funding_total:decimal shard:integer
        sequence:integer
        """
    ),
)
FUNDING_PAYMENTS = Table(
    "funding_payments",
    key=("payment_id",),
    columns=_columns(
        """
        payment_id time:time strategy_id strategy_position_id exchange_position_key symbol position_side
        rate:decimal mark_price:decimal quantity:decimal amount:decimal exchange_id shard:integer sequence:integer
        """
    ),
)
DAILY_PNL = Table(
    "daily_pnl",
    key=("day", "strategy_id", "symbol"),
    columns=_columns(
        "day:date strategy_id symbol realized_pnl:decimal fees:decimal funding:decimal net_pnl:decimal trades:integer"
    ),
)
DIFFERENCES = Table(
    "differences",
    key=("difference_id",),
    columns=_columns(
        """
        difference_id found_at:time ended_at:time status kind action symbol position_side order_id
        books_quantity:decimal exchange_quantity:decimal text shard:integer sequence:integer
        """
    ),
    indexes=(("status",),),
)
ALERTS = Table(
    "alerts",
    key=("alert_id",),
    columns=_columns(
        """
        alert_id time:time name severity text symbol position_side strategy_id shard:integer sequence:integer
        """
    ),
)
SYMBOL_HALTS = Table(
    "symbol_halts",
    key=("symbol",),
    columns=_columns("symbol halted:boolean why changed_at:time shard:integer sequence:integer"),
)

TABLES = {
    table.name: table
    for table in (
        DECISIONS,
        ORDERS,
        FILLS,
        POSITIONS,
        STRATEGY_POSITIONS,
        POSITION_CONTRIBUTIONS,
        EXCHANGE_POSITIONS,
        FUNDING_PAYMENTS,
        DAILY_PNL,
        DIFFERENCES,
        ALERTS,
        SYMBOL_HALTS,
    )
}
"""All tables by name."""
