"""Safeties that the simulation must miss when they are taken out, in the order of an order's way.

Most are those of :mod:`tests.mutants.table`, by name; the others change what only many processes together can show.
The fakes keep their contracts: what is taken out is always code of the engine.
"""

from typing import Final

from tests.mutants.mutant import Mutant
from tests.mutants.table import MUTANTS

_BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
_NAMED: Final = (
    # signals and duplicates
    "early-ack",
    "no-duplicates",
    "no-lookup",
    "send-first",
    # leases
    "no-waiting",
    "answered-not-sent",
    "back-from-the-dead",
    "early-give-back",
    # the journal's fence, and what a shard does when it is fenced
    "no-claim",
    "claim-once",
    "taken-is-ours",
    "fenced-goes-on",
    "built-on-sand",
    # the exchange window
    "no-window",
    "any-lease",
    "wall-clock",
    # orders without an answer
    "resend",
    "asked-once",
    "forgotten-orders",
    "timeout-refused",
    "overtaking-cancel",
    # books and protection
    "stale-books",
    "booked-twice",
    "alive-too-soon",
    "cancel-first",
    "naked-on",
    # publications
    "published-unasked",
    "published-anew",
    "left-remembered",
    # limits of the account
    "room-not-held",
    "sum-beyond-limit",
    "late-owner-changes-ledger",
)
_OWN: Final = (
    Mutant(
        "no-fence-at-the-door",
        "nothing leaves without a look at the lease",
        "tradeengine/runtime/fencing.py",
        "        now = self._clock.monotonic()\n        held = self._ownership.held.get(self._shard)\n",
        "        if self is not None:\n            return\n"
        "        now = self._clock.monotonic()\n        held = self._ownership.held.get(self._shard)\n",
        (),
    ),
    Mutant(
        "impatient-taker",
        "a taker waits for the whole lease time",
        "shared/leases/taking.py",
        ">= lease.ttl_ms / 1000 * (1 + DRIFT)",
        ">= lease.ttl_ms / 3000",
        (),
    ),
    Mutant(
        "hasty-resume",
        "an order that the exchange does not know counts as never sent only when nothing of it can arrive any more",
        "tradeengine/venue/binance/build.py",
        "_MARGIN_S = 4.0\n",
        "_MARGIN_S = -0.9\n",
        (),
    ),
    Mutant(
        "gap-unread",
        "trades that were missed are read back",
        "tradeengine/venue/binance/user_stream.py",
        "                await self._close_gaps(symbols)\n",
        "                await self._clock.sleep(0)\n",
        (),
    ),
    Mutant(
        "no-comparison",
        "books and exchange are compared again and again",
        "tradeengine/runtime/reconciler.py",
        "            tell(number, settled, found)\n",
        "            tell(number, settled, [])\n",
        (),
    ),
    Mutant(
        "noted-before-published",
        "a checkpoint of publishing follows what the broker has stored",
        "tradeengine/publication/publication.py",
        "            await self._outlet.publish([message for _, messages in held.unsent for message in messages])\n"
        "            while held.unsent:\n"
        "                record, _ = held.unsent.popleft()\n"
        "                held.sent = record.sequence\n",
        "            due = [message for _, messages in held.unsent for message in messages]\n"
        "            if held.unsent:\n"
        "                held.sent = held.unsent[-1][0].sequence\n"
        "            await self._outlet.publish(due)\n"
        "            while held.unsent:\n"
        "                record, _ = held.unsent.popleft()\n",
        (),
    ),
    Mutant(
        "never-noted",
        "how far publishing is, is noted",
        "tradeengine/publication/publication.py",
        "        await self._store.save(checkpoints)\n",
        "",
        (),
    ),
    Mutant(
        "cover-believed",
        "a position is covered by stops that rest, and by nothing else",
        "tradeengine/domain/legs.py",
        "    return sum(resting, ZERO) >= position.quantity\n",
        "    return sum(resting, ZERO) >= ZERO\n",
        (),
    ),
)
SHARPNESS: Final[tuple[Mutant, ...]] = (*[_BY_NAME[name] for name in _NAMED], *_OWN)
