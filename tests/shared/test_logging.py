"""Log lines hold no secret, and no log call ever raises."""

import gc
import io
import json
import logging
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog

from shared.logging import configure_logging, identified_lines
from shared.settings import LogFormat, LogLevel, Settings

SECRET = 's3c"ret\\value'


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured(log_format: LogFormat, level: LogLevel = LogLevel.INFO) -> tuple[io.StringIO, Any]:
    stream = io.StringIO()
    configure_logging(level, log_format, [SECRET, "other-s3cret"], stream)
    return stream, structlog.get_logger("test")


def test_a_line_is_json_with_level_name_and_utc_time() -> None:
    stream, log = configured(LogFormat.AUTO)
    log.info("order_sent", symbol="BTCUSDT", quantity=1)

    line = json.loads(stream.getvalue())

    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "order_sent", "level": "info", "logger": "test", "symbol": "BTCUSDT", "quantity": 1}


def test_the_level_holds_for_the_engine_and_its_libraries() -> None:
    stream, log = configured(LogFormat.JSON, LogLevel.WARNING)
    log.info("quiet")
    logging.getLogger("uvicorn.error").info("quiet")
    logging.getLogger("uvicorn.error").warning("loud")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_planted_secrets_are_never_printed(log_format: LogFormat) -> None:
    stream, log = configured(log_format)
    log.info(SECRET, value=SECRET, deep={"list": [SECRET, {"x": f"a{SECRET}b"}]}, other=ValueError(SECRET))
    log.info(
        "named", api_key="unknown-one", headers={"Authorization": "Bearer unknown-two"}, mysql_password="unknown-three"
    )
    log.info("uri nats://user:unknown-four@host", url="mysql://unknown-five@host/db")
    log.bind(bound=SECRET).warning("positional %s", SECRET)
    logging.getLogger("library").error("failed with %s", SECRET)
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        log.exception("crashed")

    text = stream.getvalue()
    assert len(text.splitlines()) >= 6
    assert "RuntimeError" in text
    assert "s3c" not in text
    assert "unknown" not in text
    assert "***" in text


def test_secrets_of_the_settings_are_masked() -> None:
    settings = Settings.load({"TRADER_API_KEY": "planted-key", "NATS_URL": "nats://u:planted-password@h"})
    stream = io.StringIO()
    configure_logging(secrets=settings.secrets(), stream=stream)
    structlog.get_logger("t").info("planted-key planted-password")

    assert json.loads(stream.getvalue())["event"] == "*** ***"


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError(SECRET)

    __str__ = __repr__


class Broken(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_a_log_call_never_raises_and_the_next_line_is_written(
    log_format: LogFormat, capsys: pytest.CaptureFixture[str]
) -> None:
    stream, log = configured(log_format)
    log.info("bad value", value=Unprintable())
    log.info("bad format %d", "text")
    log.info("surrogate", value="\ud800")
    logging.getLogger("library").info("bad %s", Unprintable())
    log.info("next")

    assert "next" in stream.getvalue().splitlines()[-1]
    assert SECRET not in capsys.readouterr().err


def test_a_full_disk_does_not_stop_the_caller() -> None:
    configure_logging(stream=Broken())
    structlog.get_logger("t").info("lost")
    logging.getLogger("library").warning("lost")


def test_a_failing_processor_does_not_stop_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*_: Any) -> Any:
        raise KeyError("x")

    _, _ = configured(LogFormat.JSON)
    structlog.configure(processors=[fails])
    structlog.get_logger("t").error("lost")

    assert capsys.readouterr().err == "logging failed: KeyError\n"


def test_who_names_ids_for_lines_is_not_kept_alive_by_them() -> None:
    class Names:
        registered: Any

        def __call__(self, line: Mapping[str, Any]) -> dict[str, str]:
            return {}

    names = Names()
    # As an engine does, which holds on to what it has to end, and may die before it comes to that.
    names.registered = identified_lines(names)
    names.registered.__enter__()
    left = weakref.ref(names)
    del names
    gc.collect()
    assert left() is None
