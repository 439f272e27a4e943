"""Programs that check rules and dashboards: those of this machine, or of Debian's package, fetched in seconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from scripts.observability import programs
from shared.errors import ConfigError


def _had(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def promtool() -> Path:
    return _had(programs.promtool)


@pytest.fixture(scope="session")
def prometheus() -> Path:
    return _had(programs.prometheus)
