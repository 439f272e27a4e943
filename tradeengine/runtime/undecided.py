"""What becomes of a signal that the core cannot decide."""

from contracts.enums import Outcome, Reason, RejectionSource, Severity
from tradeengine.domain.events import AlertRaised, SignalDecided
from tradeengine.domain.inputs import SignalReceived
from tradeengine.journal.record import EntryTooLarge


def too_large(given: SignalReceived, error: EntryTooLarge) -> AlertRaised:
    """Alert of a signal that has no room in a record with what it carries."""
    return AlertRaised(
        time_ms=given.time_ms,
        name="signal_too_large",
        severity=Severity.WARNING,
        text=f"signal {given.signal_id} was rejected and is kept without what it carries: {error}; send less with it",
        symbol=given.symbol,
        strategy_id=given.strategy_id,
    )


def failed_decision(given: SignalReceived, error: Exception) -> SignalDecided:
    """Decision of a signal that the core failed on."""
    return SignalDecided(
        time_ms=given.time_ms,
        strategy_id=given.strategy_id,
        signal_id=given.signal_id,
        symbol=given.symbol,
        action=given.action,
        outcome=Outcome.REJECTED,
        reason=Reason.INTERNAL_ERROR,
        source=RejectionSource.ENGINE,
        detail=f"{type(error).__name__}: {error}"[:500],
    )
