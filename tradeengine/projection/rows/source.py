"""Where an event comes from: what rows say beside the event itself."""

from typing import Any, NamedTuple

from tradeengine.domain.inputs import AnyInput


class Source(NamedTuple):
    """The entry that an event is part of.

    Parameters
    ----------
    place
        Place of the entry in its record, 0 for the first.
    venue
        Name of the venue that the orders go to.
    """

    shard: int
    sequence: int
    place: int
    input: AnyInput
    venue: str

    @property
    def origin(self) -> dict[str, Any]:
        """Columns that lead back to the journal."""
        return {"shard": self.shard, "sequence": self.sequence}
