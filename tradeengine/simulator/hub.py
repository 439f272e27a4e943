"""Who hears what: stream names, and the sockets that listen to them."""

from typing import Any

from tradeengine.simulator.sockets import ClientSocket
from tradeengine.simulator.wire import to_json

_PUBLIC = ("@bookTicker", "@depth", "@rpiDepth", "!bookTicker")


class Listener:
    """One socket, and the streams that it listens to.

    Parameters
    ----------
    socket
        Where messages go.
    category
        ``public``, ``market`` or ``private``: first part of the address, which only its own streams come on; empty for
        addresses of the old form, which all come on.
    wrapped
        Whether messages name their stream (``/stream``), or come as they are (``/ws``).
    """

    def __init__(self, socket: ClientSocket, category: str, *, wrapped: bool) -> None:
        self.socket = socket
        self.streams: dict[str, None] = {}
        self.wrapped = wrapped
        self._category = category

    def hears(self, stream: str) -> bool:
        """Whether such a stream comes on this address (Binance docs, WebSocket Market Streams)."""
        if not self._category:
            return True
        is_market = "@" in stream or stream.startswith("!")
        if self._category == "private" or not is_market:
            return self._category == "private" and not is_market
        return any(part in stream for part in _PUBLIC) == (self._category == "public")


class Hub:
    """All listeners, by stream."""

    def __init__(self) -> None:
        self._listeners: dict[str, dict[Listener, None]] = {}
        self._all: dict[Listener, None] = {}

    def __iter__(self) -> Any:
        return iter(list(self._all))

    @property
    def streams(self) -> list[str]:
        """Streams that somebody listens to."""
        return list(self._listeners)

    def join(self, listener: Listener) -> None:
        """Take a socket in."""
        self._all[listener] = None

    def leave(self, listener: Listener) -> None:
        """Let a socket go."""
        for stream in list(listener.streams):
            self.unsubscribe(listener, stream)
        self._all.pop(listener, None)

    def subscribe(self, listener: Listener, stream: str) -> None:
        """Let a socket listen to a stream; one that does not exist is silent, as it is at the exchange."""
        listener.streams[stream] = None
        if listener.hears(stream):
            self._listeners.setdefault(stream, {})[listener] = None

    def unsubscribe(self, listener: Listener, stream: str) -> None:
        """Let a socket listen to a stream no longer."""
        listener.streams.pop(stream, None)
        listeners = self._listeners.get(stream)
        if listeners is not None:
            listeners.pop(listener, None)
            if not listeners:
                del self._listeners[stream]

    def has(self, stream: str) -> bool:
        """Whether somebody listens."""
        return stream in self._listeners

    def publish(self, stream: str, payload: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Send a message to all who listen to the stream."""
        listeners = self._listeners.get(stream)
        if not listeners:
            return
        plain = to_json(payload)
        wrapped = b""
        for listener in list(listeners):
            if listener.wrapped and not wrapped:
                wrapped = _wrap(stream, plain)
            listener.socket.send(wrapped if listener.wrapped else plain)

    def send(self, listener: Listener, stream: str, payload: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Send a message of a stream to one who listens to it; to who cannot hear it, nothing."""
        if listener.hears(stream):
            plain = to_json(payload)
            listener.socket.send(_wrap(stream, plain) if listener.wrapped else plain)

    async def flush(self, stream: str) -> None:
        """Wait until those who listen have been written to."""
        for listener in list(self._listeners.get(stream, ())):
            await listener.socket.flushed()

    def hang_up(self, stream: str) -> None:
        """Cut the connections of those who listen, after what waits has been written."""
        for listener in list(self._listeners.get(stream, ())):
            listener.socket.hang_up()

    def close(self, stream: str, reason: str) -> None:
        """Close the connections of those who listen."""
        for listener in list(self._listeners.get(stream, ())):
            listener.socket.close(1000, reason)


def _wrap(stream: str, plain: bytes) -> bytes:
    """A message as it is sent where messages name their stream."""
    return b'{"stream":' + to_json(stream) + b',"data":' + plain + b"}"
