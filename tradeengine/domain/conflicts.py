"""Conflicts of an opening signal with what is held already, per (symbol, position side)."""

from decimal import Decimal

import msgspec

from contracts.enums import Reason, RejectionSource, SameDirectionPolicy
from tradeengine.domain.config import MODE_WEIGHT, STRENGTH_WEIGHT
from tradeengine.domain.inputs import SignalReceived
from tradeengine.domain.position import Leg
from tradeengine.domain.state import ShardState


class Refusal(msgspec.Struct, frozen=True):
    """Why a signal is refused, by which stage, and the figures behind it."""

    reason: Reason
    source: RejectionSource
    detail: str | None = None


def score_of(signal: SignalReceived) -> Decimal:
    """Weight of a signal among contenders: confidence × weight of its mode × weight of its strength."""
    return signal.confidence * MODE_WEIGHT[signal.strategy_mode] * STRENGTH_WEIGHT[signal.strength]


def same_direction(state: ShardState, leg: Leg, signal: SignalReceived) -> Refusal | None:
    """Judge a signal that would open or add to a leg.

    Parameters
    ----------
    leg
        The leg, with what is held and what is under way.

    Returns
    -------
    Refusal or None
        ``None`` when the signal may pass.
    """
    if leg.idle:
        return None
    match state.config.same_direction:
        case SameDirectionPolicy.REJECT_DUPLICATES:
            holders = ", ".join(sorted(leg.strategies)) or "an order under way"
            return _conflict(Reason.POSITION_EXISTS, f"{leg.key} is held by {holders}")
        case SameDirectionPolicy.STRONGEST_WINS:
            refusal = _weaker(state, leg, signal)
            if refusal is not None:
                return refusal
        case SameDirectionPolicy.ACCUMULATE:
            pass
    return _accumulation(state, leg, signal)


def _weaker(state: ShardState, leg: Leg, signal: SignalReceived) -> Refusal | None:
    own = score_of(signal)
    rivals = [(p.score, p.strategy_id) for p in leg.strategies.values() if p.strategy_id != signal.strategy_id]
    rivals += [
        (live.order.score, live.order.strategy_id)
        for live in map(state.orders.__getitem__, leg.opening_orders)
        if live.order.strategy_id != signal.strategy_id
    ]
    if not rivals:
        return None
    best, holder = max(rivals)
    if own > best:
        return None
    return _conflict(Reason.WEAKER_SIGNAL, f"score {own} does not beat {best} of {holder} on {leg.key}")


def _accumulation(state: ShardState, leg: Leg, signal: SignalReceived) -> Refusal | None:
    config = state.config
    if config.max_accumulations is None and not config.cooldown_ms:
        return None
    position = leg.strategies.get(signal.strategy_id)
    under_way = [
        live
        for live in map(state.orders.__getitem__, leg.opening_orders)
        if live.order.strategy_id == signal.strategy_id
    ]
    if position is None and not under_way:
        return None
    # The first of a position opens it; each one after that adds. An order that has filled in part is counted there.
    additions = (position.accumulations if position else -1) + sum(1 for live in under_way if not live.filled)
    if config.max_accumulations is not None and additions >= config.max_accumulations:
        return _conflict(
            Reason.MAX_ACCUMULATIONS, f"{signal.strategy_id} has added {additions} times to {leg.key}, the most allowed"
        )
    last = max([position.last_open_ms if position else 0, *(live.order.planned_ms for live in under_way)])
    waited = signal.time_ms - last
    if waited < config.cooldown_ms:
        return _conflict(Reason.COOLDOWN, f"{waited} ms since the last addition, {config.cooldown_ms} ms are required")
    return None


def _conflict(reason: Reason, detail: str) -> Refusal:
    return Refusal(reason, RejectionSource.CONFLICT, detail)
