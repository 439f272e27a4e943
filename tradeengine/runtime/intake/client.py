"""The client of NATS, so that an answer which nobody waits for any more does it no harm."""

from nats.aio.client import Client


class SturdyClient(Client):
    """A client whose reading does not end when a flush was given up before its PONG came.

    ``flush`` leaves its future among those that wait for a PONG when it is cancelled or times out, and drains and
    subscriptions flush too. nats-py 2.16 would set the result of that future, which raises, and the loop that reads
    ends: the connection stays open and is deaf, until somebody notices the silence.
    """

    async def _process_pong(self) -> None:
        if self._pongs and self._pongs[0].done():
            # Each PING has its PONG, in order: this one is used up as well.
            self._pongs[0] = self._pongs[0].get_loop().create_future()
        await super()._process_pong()
