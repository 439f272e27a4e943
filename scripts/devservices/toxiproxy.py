"""toxiproxy: a TCP proxy that cuts, delays and swallows, ruled over HTTP."""

import os
import shutil
from pathlib import Path
from typing import Final

import httpx

from scripts.devservices.folders import cache_folder, locked
from scripts.devservices.packages import find_program, run, say
from scripts.devservices.server import Server
from shared.errors import ConfigError

VERSION: Final = "2.5.0"
_GO: Final = Path("/usr/local/go/bin")
"""Where Go's own archive is unpacked to; many leave it out of the PATH."""


class ToxiproxyServer(Server):
    """A toxiproxy without any proxy yet; its address is the control side's."""

    name = "toxiproxy"

    @property
    def url(self) -> str:
        """Address of the control side."""
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        """Whether the control side answers now."""
        try:
            return httpx.get(f"{self.url}/version", timeout=2, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _command(self) -> list[str | Path]:
        return [toxiproxy_program(), "-host", "127.0.0.1", "-port", str(self.port)]


def toxiproxy_program() -> Path:
    """Find the program, and build it with Go if this user has none of this version.

    Raises
    ------
    ConfigError
        If there is no Go, or the build fails.
    """
    built = cache_folder() / f"toxiproxy-{VERSION}"
    if built.is_file():
        return built
    with locked(built.with_name(f"{built.name}.lock")):
        if not built.is_file():
            _build(built)
    return built


def find_go() -> Path | None:
    """Find Go; ``None`` if there is none."""
    return find_program("go", _GO)


def _build(target: Path) -> None:
    go = find_go()
    if go is None:
        raise ConfigError(
            f"no Go to build toxiproxy {VERSION} with: install Go 1.20 or newer, or put toxiproxy's server program at "
            f"{target}"
        )
    say(f"building toxiproxy {VERSION} (a minute, once)")
    made = target.with_name(f"{target.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    run(
        [go, "install", f"github.com/Shopify/toxiproxy/v2/cmd/server@v{VERSION}"],
        what="building toxiproxy with Go",
        env={**os.environ, "GOBIN": str(made), "GOFLAGS": ""},
    )
    (made / "server").rename(target)
    made.rmdir()
