"""Faults between two parts: a real toxiproxy, told over HTTP what to do to a connection.

::

    proxy = toxiproxy.proxy(mongodb_uri)
    store = connect(proxy.url)
    proxy.timeout()  # a blackhole: connections are accepted, nothing comes through
    proxy.clear()  # all is well again
"""

from typing import Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from scripts.devservices.folders import throw_away_folder
from scripts.devservices.ports import Port, reserve
from scripts.devservices.toxiproxy import ToxiproxyServer
from tests.support.deadline import PATIENCE_S

Direction = Literal["upstream", "downstream"]
"""``upstream`` is what the client sends, ``downstream`` what the server answers."""

BOTH: tuple[Direction, ...] = ("upstream", "downstream")


class Proxy:
    """A proxy in front of one server; faults add up until :meth:`clear`."""

    def __init__(self, control: httpx.Client, url: str, port: Port) -> None:
        split = urlsplit(url)
        credentials, at, upstream = split.netloc.rpartition("@")
        self._control = control
        self._port = port
        self.url = urlunsplit(split._replace(netloc=f"{credentials}{at}127.0.0.1:{port.number}"))
        self._name = f"to-{upstream}-by-{port.number}"
        self._toxics: list[str] = []
        self._ask(
            "POST", "/proxies", name=self._name, listen=f"127.0.0.1:{port.number}", upstream=upstream, enabled=True
        )

    @property
    def port(self) -> int:
        return self._port.number

    def down(self) -> None:
        """Refuse connections, and close those there are: the server has ended."""
        self._ask("POST", f"/proxies/{self._name}", enabled=False)

    def up(self) -> None:
        """Let connections through again after :meth:`down`."""
        self._ask("POST", f"/proxies/{self._name}", enabled=True)

    def timeout(self, *directions: Direction, after_ms: int = 0) -> None:
        """Swallow everything, in both directions unless one is named; connections are accepted and stay open.

        Parameters
        ----------
        directions
            ``"upstream"``: the server never hears of it; ``"downstream"``: it does it, and its answer is lost.
        after_ms
            Close each connection so long after it was made, 0 for never.
        """
        for direction in directions or BOTH:
            self._add("timeout", direction, timeout=after_ms)

    def latency(self, ms: int, *, jitter_ms: int = 0) -> None:
        """Let each answer come later."""
        self._add("latency", "downstream", latency=ms, jitter=jitter_ms)

    def reset_peer(self, *, after_ms: int = 0) -> None:
        """Reset each connection, old and new, so long after it was made."""
        self._add("reset_peer", "downstream", timeout=after_ms)

    def limit_data(self, direction: Direction, size: int) -> None:
        """Close each connection after so many bytes: in the middle of a message."""
        self._add("limit_data", direction, bytes=size)

    def clear(self) -> None:
        """Take all faults away. Connections whose data were swallowed are closed: their streams have a gap."""
        for name in self._toxics:
            self._ask("DELETE", f"/proxies/{self._name}/toxics/{name}")
        self._toxics.clear()
        self.up()

    def close(self) -> None:
        self._port.release()

    def _add(self, kind: str, direction: Direction, **attributes: int) -> None:
        name = f"{kind}-{direction}"
        self._ask(
            "POST", f"/proxies/{self._name}/toxics", name=name, type=kind, stream=direction, attributes=attributes
        )
        self._toxics.append(name)

    def _ask(self, method: str, path: str, **body: Any) -> None:
        answer = self._control.request(method, path, json=body or None)
        assert answer.is_success, f"toxiproxy: {method} {path} {body}: {answer.status_code} {answer.text}"


class Toxiproxy:
    """A toxiproxy of one test's own."""

    def __init__(self) -> None:
        self._folder = throw_away_folder()
        self._server = ToxiproxyServer(self._folder.__enter__() / "toxiproxy")
        self._proxies: list[Proxy] = []

    def __enter__(self) -> Self:
        self._control = httpx.Client(base_url=self._server.start().url, timeout=PATIENCE_S, trust_env=False)
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._server.close()
        for proxy in self._proxies:
            proxy.close()
        self._folder.__exit__(None, None, None)

    def proxy(self, url: str) -> Proxy:
        """Put a proxy in front of a server.

        Parameters
        ----------
        url
            The server's address, as ``mongodb://``, ``mysql://``, ``nats://`` or ``http://``; with a port.
        """
        made = Proxy(self._control, url, reserve())
        self._proxies.append(made)
        return made
