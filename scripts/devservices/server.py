"""A server of somebody else's as a child process, that may be stopped, frozen, killed and started again."""

import os
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from pwd import struct_passwd
from typing import ClassVar, Self

from scripts.devservices.ports import Port, reserve
from scripts.devservices.processes import die_with_parent
from scripts.devservices.waiting import wait_until
from shared.errors import ConfigError

_START_SECONDS = 60.0
"""Ten times what the slowest takes on an idle machine."""

_STOP_SECONDS = 20.0
_LOG_SHOWN = 2000


class Server(ABC):
    """A server on 127.0.0.1 that keeps its port and its data over restarts.

    Parameters
    ----------
    folder
        Keeps data and log; made if absent. A second object on the same folder goes on with its data.
    port
        By default a free one.
    outlives
        Whether it goes on when this process ends; by default the kernel kills it then (Linux).

    Notes
    -----
    Start it on the main thread: Linux ties the child to the thread that made it.
    """

    name: ClassVar[str]
    """What people call it."""

    def __init__(self, folder: Path, *, port: int | None = None, outlives: bool = False) -> None:
        self.folder = folder.absolute()
        self._wanted = port
        self._port: Port | None = None
        self._outlives = outlives
        self._process: subprocess.Popen[bytes] | None = None

    # ------------------------------------------------------------ what each server says for itself

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect; known from the first start on."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it serves clients now; asks it, for a few seconds at most."""

    @abstractmethod
    def _command(self) -> list[str | Path]:
        """Program and arguments."""

    def _prepare(self) -> None:  # noqa: B027 - most need nothing
        """Make ready what the program needs in its folder, before each start."""

    def _user(self) -> struct_passwd | None:
        """User that it runs as; ``None`` for the own one."""
        return None

    # ------------------------------------------------------------ its life

    @property
    def port(self) -> int:
        """The port; known from the first start on."""
        if self._port is None:
            raise RuntimeError(f"the port of {self.name} is known only after start()")
        return self._port.number

    @property
    def log_file(self) -> Path:
        """What it printed, over all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> Self:
        """Start it and wait until it serves clients.

        Raises
        ------
        ConfigError
            If it cannot be started; the text says why.
        """
        self.spawn()
        try:
            wait_until(self._is_up, what=f"{self.name} answers", seconds=_START_SECONDS)
        except TimeoutError as error:
            self.kill()
            raise ConfigError(f"{error}; its log {self.log_file} ends: {self._last_words()}") from None
        return self

    def spawn(self) -> None:
        """Start it, without waiting for anything."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} in {self.folder} was started already")
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._port is None:
            self._port = reserve(self._wanted)
        self._prepare()
        user = self._user()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - programs that this package found or built
                self._command(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to the whole session; who started the server ends it when it is time.
                start_new_session=True,
                pass_fds=(self._port.handle,),
                preexec_fn=None if self._outlives else die_with_parent(),  # noqa: PLW1509 - two system calls, no locks
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=None if user is None else [],
            )

    def stop(self) -> None:
        """End it as an orderly shutdown does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it, and start it again on the same port and data."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Let it accept connections and answer nothing: when this returns, the process stands still."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        # On a busy machine its threads may run on for a while.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on after :meth:`freeze`."""
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Leave no process behind, whatever became of it; may be called twice."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._process.wait(timeout=_STOP_SECONDS)
            self._process = None
        if self._port is not None:
            self._wanted = self._port.number
            self._port.release()
            self._port = None

    def let_go(self) -> None:
        """Forget a server that outlives this process; :func:`processes.end` ends it."""
        if self._process is not None:
            # Popen objects complain when they are dropped while their process runs.
            self._process.returncode = 0
            self._process = None
        if self._port is not None:
            os.close(self._port.handle)
            self._port = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} in {self.folder} does not run")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        process.send_signal(how)
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=_STOP_SECONDS)
        self._process = None

    def _is_up(self) -> bool:
        process = self._running()
        if process.poll() is not None:
            self._process = None
            raise ConfigError(
                f"{self.name} ended with status {process.returncode}; its log {self.log_file} ends: "
                f"{self._last_words()}"
            )
        return self.answers()

    def _last_words(self) -> str:
        if not self.log_file.exists():
            return "(no log)"
        return self.log_file.read_text(encoding="utf-8", errors="replace")[-_LOG_SHOWN:].strip() or "(empty)"
