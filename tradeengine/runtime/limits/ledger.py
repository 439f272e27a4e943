"""The ledger: what each shard is granted of the account's limits. Pure; a register keeps it."""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import NamedTuple

import msgspec

from shared.errors import ConfigError
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures, Limits


class Row(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the ledger says of a shard.

    Parameters
    ----------
    tenure
        Place in the shard's journal of the record by which its owner took it. It rises with every owner, whatever
        becomes of the leases, and so it is the fencing token here.
    granted
        What the shard may use without asking anybody; never less than it uses.
    short
        Whether it was lately refused something that others may have to spare.
    """

    tenure: int
    granted: Amounts = NOTHING
    figures: Figures = Figures()
    short: bool = False


Rows = Mapping[int, Row]


class Bid(NamedTuple):
    """What the owner of a shard asks for.

    Parameters
    ----------
    tenure, figures, short
        As in :class:`Row`.
    keep
        What it keeps of its grant if it has so much; the rest is given back.
    need
        What it must have for an order at hand, beside what it uses; nothing of that is granted if not all is.
    want
        What it would like to have once it has what it needs, as far as there is any; like ``need`` this includes what
        it uses.
    """

    tenure: int
    figures: Figures
    keep: Amounts
    need: Amounts
    want: Amounts
    short: bool = False


def deal(rows: Rows, bids: Mapping[int, Bid], limits: Limits, shards: int) -> dict[int, Row]:
    """Deal the limits out anew, as the owner of some shards asks for it.

    What a shard uses is a fact, and is granted even where prices have carried the sum beyond a limit; then nothing else
    is granted to anybody. While a shard has no row at all, nothing new is granted: what it holds is unknown, not zero.

    Parameters
    ----------
    rows
        As they were seen; they may be replaced by what is returned if they still are the same, and only then.
    bids
        Of shards that the caller owns. One whose row a later owner has signed is passed over.
    shards
        How many shards there are.

    Returns
    -------
    dict
        All rows.
    """
    with localcontext(MONEY):
        return _dealt_rows(rows, bids, limits, shards)


def _dealt_rows(rows: Rows, bids: Mapping[int, Bid], limits: Limits, shards: int) -> dict[int, Row]:
    mine = {shard: bid for shard, bid in bids.items() if shard not in rows or rows[shard].tenure <= bid.tenure}
    others = granted({shard: row for shard, row in rows.items() if shard not in mine})
    complete = len(rows.keys() | mine.keys()) >= shards
    former = {shard: rows[shard].granted if shard in rows else NOTHING for shard in mine}
    exposure = _dealt(
        _room(limits.exposure, others.exposure, complete),
        {shard: _part(bid, former[shard], "exposure") for shard, bid in mine.items()},
    )
    conditional = _dealt(
        _room(limits.conditional, others.conditional, complete),
        {shard: _part(bid, former[shard], "conditional") for shard, bid in mine.items()},
    )
    dealt = {
        shard: Row(bid.tenure, Amounts(exposure[shard], int(conditional[shard])), bid.figures, bid.short)
        for shard, bid in mine.items()
    }
    return {**rows, **dealt}


def used(rows: Rows) -> Amounts:
    """What all shards use together."""
    with localcontext(MONEY):
        return sum((row.figures.used for row in rows.values()), NOTHING)


def granted(rows: Rows) -> Amounts:
    """What all shards were granted together."""
    with localcontext(MONEY):
        return sum((row.granted for row in rows.values()), NOTHING)


def encode(rows: Rows) -> str:
    """JSON of the rows, in order of the shards."""
    return msgspec.json.encode(dict(sorted(rows.items()))).decode()


def decode(content: str) -> dict[int, Row]:
    """Read rows.

    Raises
    ------
    ConfigError
        If it is no ledger of this version of the engine.
    """
    try:
        return _decoder.decode(content)
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"the ledger of the account's limits cannot be read: {error}; use the engine that wrote it, or a newer one"
        ) from error


_decoder = msgspec.json.Decoder(dict[int, Row])


class _Part(NamedTuple):
    """A bid for one of the limits, and what was granted of it before."""

    former: Decimal
    used: Decimal
    keep: Decimal
    need: Decimal
    want: Decimal


def _part(bid: Bid, former: Amounts, name: str) -> _Part:
    amounts = (former, bid.figures.used, bid.keep, bid.need, bid.want)
    return _Part(*[Decimal(getattr(each, name)) for each in amounts])


def _room(limit: Decimal | int | None, others: Decimal | int, complete: bool) -> Decimal | None:
    """What the caller's shards may have together; ``None`` for all that they ask for."""
    if not complete:
        return ZERO
    return None if limit is None else Decimal(limit) - others


def _dealt(room: Decimal | None, parts: Mapping[int, _Part]) -> dict[int, Decimal]:
    grants = {shard: max(part.used, min(part.former, part.keep)) for shard, part in parts.items()}
    if room is None:
        return {shard: max(grants[shard], part.need, part.want) for shard, part in parts.items()}
    met = _needs_met(room, grants, parts)
    if met < len(parts):
        # What the caller's other shards do not use now is as good as what nobody has.
        spared = {shard: max(part.used, min(grants[shard], part.need)) for shard, part in parts.items()}
        if _needs_met(room, spared, parts) > met:
            grants = spared
    for shard, part in parts.items():
        if grants[shard] >= part.need:
            grants[shard] += max(ZERO, min(part.want - grants[shard], room - sum(grants.values(), ZERO)))
    return grants


def _needs_met(room: Decimal, grants: dict[int, Decimal], parts: Mapping[int, _Part]) -> int:
    """Grant what is needed where it can be had as a whole; how many shards have what they need then."""
    for shard, part in parts.items():
        missing = part.need - grants[shard]
        if ZERO < missing <= room - sum(grants.values(), ZERO):
            grants[shard] = part.need
    return sum(grants[shard] >= part.need for shard, part in parts.items())
