"""Servers that refuse the credentials: the text says so and shows no secret; a copy follows when they are right."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pymongo
import pytest

from scripts.devservices.probes import connect_mysql
from tests.outages.pods import health
from tests.outages.stores import Stores
from tests.outages.truth import everything_holds, until_no_lag
from tests.support.process import tradeengine
from tests.support.protecting import opened
from tests.support.rig import rig
from tests.support.services import fresh_name
from tradeengine.cli.base import EXIT_CONFIG

pytestmark = pytest.mark.process

PASSWORD = "not-the-password-that-the-server-knows"


def execute(uri: str, *statements: str) -> None:
    with connect_mysql(uri) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def user(copied_stores: Stores) -> Iterator[str]:
    """A user of MySQL that may write the copy, and whose password is another."""
    assert copied_stores.mysql
    name = fresh_name()
    database = urlsplit(copied_stores.mysql).path[1:]
    execute(
        copied_stores.mysql,
        f"CREATE USER '{name}'@'%' IDENTIFIED BY 'right'",
        f"GRANT ALL PRIVILEGES ON `{database}`.* TO '{name}'@'%'",
    )
    yield name
    execute(copied_stores.mysql, f"DROP USER '{name}'@'%'")


async def test_i84_i97_a_mysql_that_refuses_the_password_degrades_and_is_caught_up_with_once_it_is_right(
    tmp_path: Path, copied_stores: Stores, user: str
) -> None:
    assert copied_stores.mysql
    split = urlsplit(copied_stores.mysql)
    refused = urlunsplit(split._replace(netloc=f"{user}:{PASSWORD}@{split.hostname}:{split.port}"))
    async with rig(tmp_path, **copied_stores.settings(mysql=refused)) as made:
        await opened(made)

        async def told() -> bool:
            copy = await health(made.engine, "mysql")
            return copy["status"] == "degraded" and "Access denied" in copy["reason"]

        await made.until(told, "health to say that the password is refused")
        assert await made.engine.readiness() == (200, [])
        execute(copied_stores.mysql, f"ALTER USER '{user}'@'%' IDENTIFIED BY '{PASSWORD}'")
        await until_no_lag(copied_stores)
        assert PASSWORD not in made.engine.log()
        await everything_holds(copied_stores, made.exchange, tmp_path, made.engine)


def test_i107_a_mongodb_that_cannot_authenticate_ends_the_start(tmp_path: Path, stores: Stores) -> None:
    """The URI asks for an authentication that the server has not got."""
    split = urlsplit(stores.mongodb)
    uri = urlunsplit(split._replace(netloc=f"somebody:{PASSWORD}@{split.netloc}", path="/", query="authSource=admin"))
    with pymongo.MongoClient[dict[str, object]](uri) as client, pytest.raises(pymongo.errors.OperationFailure):
        client.admin.command("ping")

    env = stores.settings(mongodb=uri) | {"NATS_EMBEDDED": "off"}
    refused = tradeengine("run", "--data-dir", tmp_path / "data", "--port", "0", env=env)
    assert refused.returncode == EXIT_CONFIG, refused.stdout + refused.stderr
    assert "MongoDB refuses" in refused.stderr
    assert PASSWORD not in refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr
