"""Publishing again: the execution events of records that were published before, for who has lost them."""

from collections.abc import Callable
from typing import Final, NamedTuple

from contracts.subjects import EXECUTION_PREFIX
from shared.errors import RetrySafe
from tradeengine.journal.base import Journal
from tradeengine.publication.checkpoints import Checkpoint
from tradeengine.publication.outlet import Outlet
from tradeengine.publication.restoring import restored
from tradeengine.publication.translate import messages_of

_PAGE: Final = 50


class Span(NamedTuple):
    """Records of a shard, from the first to the last one."""

    shard: int
    first: int
    last: int


async def publish_again(
    journal: Journal, held: Checkpoint, outlet: Outlet, span: Span, tell: Callable[[int], object] = lambda records: None
) -> int:
    """Publish the execution events of a span of records, under the ids that they had; alerts are not told again.

    An engine may be at work, and publish the same: nothing here moves a checkpoint.

    Parameters
    ----------
    journal
        With its archive, where there is one.
    held
        How far the shard is published: its ledger spares reading the records before.
    tell
        Told how many records are done, now and then.

    Returns
    -------
    int
        How many events were published.

    Raises
    ------
    RetrySafe
        If the broker does not take them, or the journal does not show all of them; all may be published once more.
    ConfigError
        If the journal lacks records that are needed.
    """
    ledger = None if held.ledger is None or held.ledger.sequence >= span.first else held.ledger
    state = await restored(journal, span.shard, Checkpoint(span.first - 1, ledger))
    count = 0
    while state.sequence < span.last:
        limit = min(_PAGE, span.last - state.sequence)
        records = await journal.read(span.shard, after=state.sequence, limit=limit)
        if not records:
            raise RetrySafe(
                f"the journal shows no record of shard {span.shard} after {state.sequence}, and records up to "
                f"{span.last} were asked for: publish again from record {state.sequence + 1} on"
            )
        messages = [message for record in records for message in messages_of(state, record)]
        events = [message for message in messages if message.subject.startswith(EXECUTION_PREFIX)]
        await outlet.publish(events)
        count += len(events)
        tell(len(records))
    return count
