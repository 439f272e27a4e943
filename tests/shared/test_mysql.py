"""MySQL's thread: what each failure means, that connections come back, and that secrets stay inside."""

import asyncio
import time
from collections.abc import AsyncIterator

import pymysql
import pytest

from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from shared.mysql import MySqlConnection, MySqlThread, transaction
from shared.mysql_address import MySqlAddress
from shared.mysql_errors import engine_error, refuses_row
from tests.support.toxiproxy import Toxiproxy

SERVER = "mysql://trader@db:3306/copy"
DEADLINE_S = 3
"""Long enough for what must be answered, on a machine that is slow."""


def ask(connection: MySqlConnection, sql: str = "SELECT CONNECTION_ID()") -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        row = cursor.fetchone()
    return row[0] if row else None


@pytest.fixture
async def thread(mysql_uri: str) -> AsyncIterator[MySqlThread]:
    opened = MySqlThread(MySqlAddress.parse(mysql_uri), timeout_s=20)
    await opened.open(ask)
    yield opened
    await opened.close()


# ---------------------------------------------------------------- addresses


def test_an_address_is_read_from_a_uri_and_never_shows_its_password() -> None:
    address = MySqlAddress.parse("mysql+pymysql://tra%40der:p%3Aw%2Fd@db.example:3307/copy?ssl_ca=/etc/ca.pem")

    assert (address.host, address.port, address.database) == ("db.example", 3307, "copy")
    assert (address.user, address.password, address.ca_file) == ("tra@der", "p:w/d", "/etc/ca.pem")
    assert MySqlAddress.parse("mysql://db/copy") == MySqlAddress(host="db", database="copy", user="")
    assert "p:w/d" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mysql://u:secret@db", "names no host or no database"),
        ("mysql://u:secret@/copy", "names no host or no database"),
        ("postgres://u:secret@db/copy", "names no host or no database"),
        ("mysql://u:secret@db:port/copy", "cannot be read"),
        ("mysql://u:secret@db/copy?charset=latin1", "options that are not known: charset"),
    ],
)
def test_an_address_of_another_form_is_refused_without_its_password(uri: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as refused:
        MySqlAddress.parse(uri)
    assert "secret" not in str(refused.value)


# ---------------------------------------------------------------- what errors mean


LASTING = {
    "check user, password and grants": (1044, 1045, 1130, 1142, 1143, 1227, 1251, 1370, 1698, 1820, 2059, 3118, 4151),
    "must agree about TLS": (2026, 3159),
    "create the database": (1046, 1049, 1102),
    "run: tradeengine schema apply --target mysql": (1051, 1054, 1072, 1109, 1136, 1146, 1347, 1356, 1471, 3105),
    "does not take this engine's SQL": (1064, 1065, 1149, 1052, 1055, 1115, 1193, 1231, 1235, 1273, 1286, 1305),
}
PASSING = {
    "check that the server runs": (2002, 2003, 2005),
    "another transaction holds what is needed": (1205, 1213),
    "free space": (1021, 1041, 1114),
    "takes no writes now": (1036, 1290, 1792, 1836),
    "FLUSH HOSTS": (1129,),
    # Lost, interrupted, too many, shut down, or known to nobody.
    "tried again with a new connection": (1040, 1053, 1105, 1159, 1203, 1226, 1317, 1927, 1969, 2006, 2013, 3024, 9999),
}
OF_ONE_ROW = (
    1048,
    1062,
    1118,
    1264,
    1265,
    1292,
    1364,
    1366,
    1367,
    1406,
    1441,
    1452,
    1526,
    1644,
    3140,
    3158,
    3819,
    4025,
)


@pytest.mark.parametrize(
    ("code", "meant", "advice"),
    [(code, ConfigError, advice) for advice, codes in LASTING.items() for code in codes]
    + [(code, RetrySafe, advice) for advice, codes in PASSING.items() for code in codes],
)
def test_an_error_tells_what_to_do(code: int, meant: type[Exception], advice: str) -> None:
    given = pymysql.OperationalError(code, "in MySQL's words")
    found = engine_error(given, SERVER)

    assert type(found) is meant
    assert all(part in str(found) for part in (SERVER, "in MySQL's words", str(code), advice))
    assert not refuses_row(given), "a row would be put aside for what concerns all rows"


def test_an_error_without_a_code_is_safe_to_repeat() -> None:
    assert isinstance(engine_error(pymysql.InterfaceError(), SERVER), RetrySafe)
    assert isinstance(engine_error(pymysql.InternalError("Packet sequence number wrong"), SERVER), RetrySafe)


@pytest.mark.parametrize("code", OF_ONE_ROW)
def test_a_refused_row_is_told_from_trouble(code: int) -> None:
    given = pymysql.DataError(code, "x")
    assert refuses_row(given)
    assert isinstance(engine_error(given, SERVER), RetrySafe), "where it is met outside of a row it is no setting"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEKT 1", "does not take this engine's SQL"),
        ("SELECT COUNT(DISTINCT) FROM told", "does not take this engine's SQL"),
        ("SELECT no_such_function(1)", "does not take this engine's SQL"),
        ("SELECT number FROM nothing", "run: tradeengine schema apply"),
        ("SELECT nothing FROM told", "run: tradeengine schema apply"),
        ("INSERT INTO told VALUES (1, 2)", "run: tradeengine schema apply"),
        ("USE elsewhere", "create the database|check user, password and grants"),
    ],
)
async def test_what_will_never_work_is_a_configuration_error_at_work_too(
    thread: MySqlThread, sql: str, said: str
) -> None:
    await thread.run(lambda c: ask(c, "CREATE TABLE told (number INT)"))

    def work(connection: MySqlConnection) -> None:
        with transaction(connection) as cursor:
            cursor.execute("INSERT INTO told VALUES (1)")
            cursor.execute(sql)

    with pytest.raises(ConfigError, match=said):
        await thread.run(work)
    assert await thread.run(lambda c: ask(c, "SELECT COUNT(*) FROM told")) == 0, "nothing of it was done"


async def test_values_that_the_server_refuses_concern_one_row(thread: MySqlThread) -> None:
    await thread.run(
        lambda c: ask(
            c, "CREATE TABLE told (number INT NOT NULL UNIQUE, word VARCHAR(3) DEFAULT '', CHECK (number > 0))"
        )
    )
    await thread.run(lambda c: ask(c, "INSERT INTO told (number) VALUES (1)"))

    def refused(connection: MySqlConnection, values: str) -> bool:
        try:
            ask(connection, f"INSERT INTO told VALUES ({values})")
        except pymysql.Error as error:
            return refuses_row(error)
        return False

    for values in ("1, 'a'", "NULL, 'a'", "2, 'long'", "3000000000, 'a'", "'x', 'a'", "-1, 'a'"):
        assert await thread.run(lambda c, values=values: refused(c, values)), values  # type: ignore[misc]


# ---------------------------------------------------------------- sessions


async def test_a_session_is_strict_and_in_utc_whatever_the_server_says(thread: MySqlThread) -> None:
    assert await thread.run(lambda c: ask(c, "SELECT @@session.time_zone")) == "+00:00"
    assert "STRICT_ALL_TABLES" in str(await thread.run(lambda c: ask(c, "SELECT @@session.sql_mode")))
    assert await thread.run(lambda c: ask(c, "SELECT @@session.character_set_client")) == "utf8mb4"


async def test_a_connection_that_was_lost_while_idle_is_made_anew(thread: MySqlThread, mysql_uri: str) -> None:
    former = await thread.run(ask)
    other = MySqlThread(MySqlAddress.parse(mysql_uri))
    await other.open(lambda c: ask(c, f"KILL {former}"))
    await other.close()

    assert await thread.run(ask) != former


async def test_a_connection_that_is_lost_at_work_leaves_nothing_and_comes_back(thread: MySqlThread) -> None:
    await thread.run(lambda c: ask(c, "CREATE TABLE told (number INT)"))

    def die(connection: MySqlConnection) -> None:
        with transaction(connection) as cursor:
            cursor.execute("INSERT INTO told VALUES (1)")
            cursor.execute("KILL CONNECTION_ID()")
            cursor.execute("SELECT 1")

    with pytest.raises(RetrySafe, match="cannot use mysql://"):
        await thread.run(die)
    assert await thread.run(lambda c: ask(c, "SELECT COUNT(*) FROM told")) == 0


async def test_work_that_fails_by_itself_is_rolled_back(thread: MySqlThread) -> None:
    await thread.run(lambda c: ask(c, "CREATE TABLE told (number INT)"))

    def fail(connection: MySqlConnection) -> None:
        with transaction(connection) as cursor:
            cursor.execute("INSERT INTO told VALUES (1)")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await thread.run(fail)
    assert await thread.run(lambda c: ask(c, "SELECT COUNT(*) FROM told")) == 0


async def test_a_row_that_another_holds_is_waited_for_and_then_safe_to_repeat(
    thread: MySqlThread, mysql_uri: str
) -> None:
    await thread.run(lambda c: ask(c, "CREATE TABLE held (number INT PRIMARY KEY)"))
    await thread.run(lambda c: ask(c, "INSERT INTO held VALUES (1)"))
    address = MySqlAddress.parse(mysql_uri)
    with pymysql.connect(
        host=address.host, port=address.port, user=address.user, password=address.password, database=address.database
    ) as other:
        other.begin()
        other.query("SELECT number FROM held FOR UPDATE")

        def update(connection: MySqlConnection) -> None:
            with transaction(connection) as cursor:
                cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
                cursor.execute("UPDATE held SET number = 2")

        with pytest.raises(RetrySafe, match="another transaction holds what is needed"):
            await thread.run(update)
        other.rollback()
    assert await thread.run(lambda c: ask(c, "SELECT number FROM held")) == 1


# ---------------------------------------------------------------- at the start


async def test_a_server_that_is_not_there_may_come_later(mysql_uri: str, toxiproxy: Toxiproxy) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    thread = MySqlThread(MySqlAddress.parse(proxy.url), timeout_s=DEADLINE_S, connect_timeout_s=DEADLINE_S)
    proxy.down()
    with pytest.raises(RetrySafe, match="check that the server runs"):
        await thread.open(ask)

    proxy.up()
    await thread.open(ask)
    await thread.close()


async def test_who_is_not_let_in_is_told_so_without_the_password(mysql_uri: str) -> None:
    address = MySqlAddress.parse(mysql_uri)
    stranger = MySqlAddress(
        host=address.host, port=address.port, database=address.database, user="nobody-we-know", password="open-sesame"
    )
    with pytest.raises(ConfigError, match="check user, password and grants") as refused:
        await MySqlThread(stranger).open(ask)
    assert "open-sesame" not in str(refused.value)


async def test_a_database_that_is_not_there_is_a_configuration_error(mysql_uri: str) -> None:
    with pytest.raises(ConfigError, match="create the database"):
        await MySqlThread(MySqlAddress.parse(f"{mysql_uri}_not")).open(ask)


async def test_certificates_that_are_not_there_are_a_configuration_error(mysql_uri: str) -> None:
    with pytest.raises(ConfigError, match=r"ssl_ca=/nowhere/ca\.pem"):
        await MySqlThread(MySqlAddress.parse(f"{mysql_uri}?ssl_ca=/nowhere/ca.pem")).open(ask)


# ---------------------------------------------------------------- a network that swallows everything


async def test_a_blackhole_ends_with_the_deadline_and_never_blocks_the_loop(
    mysql_uri: str, toxiproxy: Toxiproxy
) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    thread = MySqlThread(MySqlAddress.parse(proxy.url), timeout_s=DEADLINE_S, connect_timeout_s=DEADLINE_S)
    await thread.open(ask)

    def swallowed(connection: MySqlConnection) -> None:
        with transaction(connection) as cursor:
            proxy.timeout()
            cursor.execute("SELECT 1")

    began, ticks = time.monotonic(), 0
    work = asyncio.ensure_future(thread.run(swallowed))
    while not work.done():
        await asyncio.sleep(0.01)
        ticks += 1
    with pytest.raises(RetrySafe):
        await work
    assert time.monotonic() - began < 8 * DEADLINE_S
    assert ticks > 20

    proxy.clear()
    assert await thread.run(ask)
    await thread.close()


async def test_a_commit_without_an_answer_is_of_unknown_outcome(mysql_uri: str, toxiproxy: Toxiproxy) -> None:
    proxy = toxiproxy.proxy(mysql_uri)
    thread = MySqlThread(MySqlAddress.parse(proxy.url), timeout_s=DEADLINE_S, connect_timeout_s=DEADLINE_S)
    await thread.open(lambda c: ask(c, "CREATE TABLE told (number INT)"))

    def swallowed(connection: MySqlConnection) -> None:
        with transaction(connection) as cursor:
            cursor.execute("INSERT INTO told VALUES (1)")
            proxy.timeout("downstream")

    with pytest.raises(OutcomeUnknown, match="the checkpoint tells"):
        await thread.run(swallowed)
    proxy.clear()
    assert await thread.run(lambda c: ask(c, "SELECT COUNT(*) FROM told")) == 1
    await thread.close()
