"""What the venue's parts expect of each other."""

from typing import Any, Protocol

from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import Endpoint


class Rest(Protocol):
    """Makes requests within the budget; see :class:`.rest.RestCaller`, which does."""

    async def call(self, endpoint: Endpoint, priority: Priority = Priority.READ, **params: str | int) -> Any:
        """Make a request; JSON numbers with a fraction come as ``Decimal``.

        Raises
        ------
        RetrySafe
            If it surely did not take effect, or only asked; waiting longer than the priority's patience is one.
        OutcomeUnknown
            If it may have taken effect.
        Rejected
            If the exchange refused; ``code`` is its code as text, or ``http-404`` and the like where it gave none.
        """
        ...
