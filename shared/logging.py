"""Logging: one line an event, JSON or for people, without secrets, and never in the way of the caller."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO
from weakref import WeakSet

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared.secrets import MASK, Masker
from shared.settings import LogFormat, LogLevel

_SECRET_WORDS = ("password", "secret", "api_key", "authorization", "token")
_MAX_DEPTH = 8


class SafeLogger(structlog.stdlib.BoundLogger):
    """A structlog logger whose calls never raise: an order path must survive its own log line."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, *event_args: str, **event_kw: Any) -> Any:
        try:
            return super()._proxy_to_logger(method_name, event, *event_args, **event_kw)
        except Exception as error:  # noqa: BLE001 - supervised border: whatever a processor does, the caller goes on
            _complain(error)
            return None


class _SafeHandler(logging.StreamHandler[TextIO]):
    """Writes lines; what cannot be written is counted out loud, once a line, and lost."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception as error:  # noqa: BLE001 - supervised border: values may have any __str__ and __repr__
            _complain(error)
            return
        try:
            self.stream.write(line + self.terminator)
            self.flush()
        except (OSError, ValueError):
            # The stream is gone (closed pipe, full disk): there is nowhere left to say so.
            return


Identify = Callable[[Mapping[str, Any]], Mapping[str, str]]
"""From what a line says to the ids of what it is about, such as ``signal_id`` and ``trace_id``."""


class _Ids:
    """Processor that adds the ids of what a line is about, as far as somebody knows them."""

    def __init__(self) -> None:
        # Weakly: an engine that ends without a word must not live on for the sake of its lines.
        self.known: WeakSet[Identify] = WeakSet()

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        for identify in self.known:
            for name, value in identify(event).items():
                event.setdefault(name, value)
        return event


_ids = _Ids()


@contextmanager
def identified_lines(identify: Identify) -> Iterator[None]:
    """Let every line that names an order or a signal say which signal and which trace that belongs to.

    Parameters
    ----------
    identify
        Called with each line, from any thread; it must be quick. Should it raise, the line is lost.
    """
    _ids.known.add(identify)
    try:
        yield
    finally:
        _ids.known.discard(identify)


class _MaskSecrets:
    """Processor that masks secrets in every text of an event, however deep, and in values with telling names."""

    def __init__(self, masker: Masker) -> None:
        self._mask = masker

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {key: self._masked(key, value, _MAX_DEPTH) for key, value in event.items()}

    def _masked(self, key: str, value: Any, levels: int) -> Any:
        if isinstance(value, bool | int | float | None):
            return value
        if any(word in key.lower() for word in _SECRET_WORDS):
            return MASK
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, Mapping) and levels:
            return {str(inner): self._masked(str(inner), item, levels - 1) for inner, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and levels:
            return [self._masked("", item, levels - 1) for item in value]
        return self._mask(str(value))


def configure_logging(
    level: LogLevel = LogLevel.INFO,
    log_format: LogFormat = LogFormat.AUTO,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send the log lines of the engine and of its libraries to one stream.

    Parameters
    ----------
    level
        Least severity that is written.
    log_format
        ``auto`` writes for people on a terminal and JSON elsewhere.
    secrets
        Values that are masked wherever they appear (:meth:`shared.settings.Settings.secrets`).
    stream
        Standard error by default.
    """
    out = stream or sys.stderr
    console = log_format is LogFormat.CONSOLE or (log_format is LogFormat.AUTO and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _ids,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = _SafeHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.processors.format_exc_info,
                _MaskSecrets(Masker(secrets)),
                _renderer(console=console, colors=console and out.isatty()),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level.value, force=True)
    # Their INFO lines tell of each request and each reconnect attempt; the engine logs what matters of both.
    for name in ("httpx", "httpcore", "nats", "asyncio"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.value)))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=SafeLogger,
        cache_logger_on_first_use=True,
    )


def _renderer(*, console: bool, colors: bool) -> Callable[[WrappedLogger, str, EventDict], str | bytes]:
    if console:
        return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
    return structlog.processors.JSONRenderer(ensure_ascii=False)


def _complain(error: Exception) -> None:
    try:
        # Only the type: the text of the error may hold the very secret that was to be masked.
        sys.stderr.write(f"logging failed: {type(error).__name__}\n")
    except (OSError, ValueError):
        return
