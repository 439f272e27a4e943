"""What all tests share: how hard hypothesis searches, the order of files, and databases on real servers.

``ci`` (the default) and ``quick`` differ only in the number of examples; choose with ``HYPOTHESIS_PROFILE=quick``.
A test that wants more or fewer examples scales the profile's number (``settings().max_examples * 10``) rather than
setting one of its own, so that ``quick`` stays quick. Each run searches anew; a failure prints the blob that
repeats it.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support import services
from tests.support.order import interleaved
from tests.support.toxiproxy import Toxiproxy

for _name, _examples in (("ci", 200), ("quick", 20)):
    settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,
        derandomize=False,
        print_blob=True,
        # It measures the machine: a search that is slow is seen by the test's own time.
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register options here: pytest reads them from the outermost conftest, whatever part of the tests is run."""
    parser.addoption(
        "--base-url",
        default=None,
        help="address of a running exchange simulator that tests/simulator is run against, such as http://127.0.0.1:9100",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin files in an order that keeps several workers busy; ``make test`` has xdist keep to it."""
    items[:] = interleaved(items)


@pytest.fixture(scope="session")
def mongodb_uri() -> str:
    """Address of the MongoDB that the tests share; ``mongodb_database`` names a database on it."""
    return services.mongodb_uri()


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """Name of a database for one test, dropped after it."""
    with services.fresh_mongodb_database(mongodb_uri) as name:
        yield name


@pytest.fixture
def mysql_uri() -> Iterator[str]:
    """URI of an empty database for one test, dropped after it."""
    with services.fresh_mysql_database(services.mysql_uri()) as uri:
        yield uri


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Folder for servers of one test's own; other than ``tmp_path``, servers that run as another user can get to it."""
    with services.throw_away_folder() as folder:
        yield folder


@pytest.fixture
def mongo_server(server_folder: Path) -> Iterator[services.MongoServer]:
    """Run a MongoDB for one test, which may stop, freeze, kill and start it again on the same port and data."""
    server = services.MongoServer(server_folder / "mongodb")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def mysql_server(server_folder: Path) -> Iterator[services.MySqlServer]:
    """Run a MySQL for one test, which may stop, freeze, kill and start it again on the same port and data."""
    server = services.MySqlServer(server_folder / "mysql")
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def toxiproxy() -> Iterator[Toxiproxy]:
    """Run a toxiproxy for one test: ``toxiproxy.proxy(mongodb_uri)`` puts a network with faults before a server."""
    with Toxiproxy() as running:
        yield running
