"""nats-server with JetStream."""

from pathlib import Path

from scripts.devservices.probes import why_not_nats
from scripts.devservices.server import Server
from tradeengine.runtime.nats_server import find_binary, render_config


class NatsServer(Server):
    """A nats-server on 127.0.0.1, with a store of its own.

    Parameters
    ----------
    folder
        Keeps store, configuration and log.
    port
        By default a free one.
    outlives
        Whether it goes on when this process ends.
    sync_always
        Whether each message is on the disk before its publisher is told so.
    more
        More lines of its configuration.
    """

    name = "nats-server"

    def __init__(
        self,
        folder: Path,
        *,
        port: int | None = None,
        outlives: bool = False,
        sync_always: bool = False,
        more: str = "",
    ) -> None:
        super().__init__(folder, port=port, outlives=outlives)
        self._sync_always = sync_always
        self._more = more

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether it greets a client now."""
        return why_not_nats(self.url) is None

    def _prepare(self) -> None:
        config = render_config(self.folder, self.port, sync_always=self._sync_always) + self._more
        self._config.write_text(config, encoding="utf-8")

    def _command(self) -> list[str | Path]:
        return [find_binary(), "-c", self._config]

    @property
    def _config(self) -> Path:
        return self.folder / "nats-server.conf"
