"""An observation on its way to the books that it is to be held against."""

from dataclasses import dataclass

from msgspec import structs

from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.state import ShardState


@dataclass(slots=True, eq=False)
class Mark:
    """The moment at which the venue is asked, in the order in which a shard decides what arrives.

    It goes through the shard's inbox: what was reported before is in the books when its turn comes, and what is
    reported later comes behind it. No clock says that, for clocks are set, and a shard changes hands.

    Parameters
    ----------
    state
        The books then: a shard that is loaded again has others.
    changes
        How many changes they had taken in, ``None`` before its turn.
    """

    state: ShardState
    changes: int | None = None

    def pass_by(self, state: ShardState) -> None:
        """Its turn has come, with the books as they are now."""
        if state is self.state:
            self.changes = state.changes


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the venue holds of a symbol, and when it was asked."""

    observed: VenueObserved
    mark: Mark

    def asking(self, *, repair: bool) -> "Observation":
        """The same, with an operator's word on whether differences are repaired, whatever the policy says."""
        return Observation(structs.replace(self.observed, repair=repair), self.mark)

    def held_against(self, state: ShardState) -> VenueObserved | None:
        """The input for books as they are now, ``None`` if they are not those of which the venue was asked."""
        before = self.mark.changes
        if before is None or state is not self.mark.state:
            return None
        return structs.replace(self.observed, since=state.changes - before)
