"""What MySQL's errors mean for the caller."""

from typing import Final

import pymysql
from pymysql.constants import CR, ER

from shared.errors import ConfigError, EngineError, RetrySafe

_NOT_LET_IN: Final = frozenset(
    {
        ER.DBACCESS_DENIED_ERROR,
        ER.ACCESS_DENIED_ERROR,
        ER.HOST_NOT_PRIVILEGED,
        ER.TABLEACCESS_DENIED_ERROR,
        ER.COLUMNACCESS_DENIED_ERROR,
        ER.SPECIFIC_ACCESS_DENIED_ERROR,
        ER.NOT_SUPPORTED_AUTH_MODE,
        CR.CR_AUTH_PLUGIN_CANNOT_LOAD,
        CR.CR_AUTH_PLUGIN_ERR,
        1698,  # MariaDB: access denied, no password was asked for
    }
)
_NO_DATABASE: Final = frozenset({ER.BAD_DB_ERROR, ER.NO_DB_ERROR})
_NO_SCHEMA: Final = frozenset({ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR, ER.KEY_COLUMN_DOES_NOT_EXITS})
_FULL: Final = frozenset({ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.OUT_OF_RESOURCES})
_READ_ONLY: Final = frozenset({ER.OPTION_PREVENTS_STATEMENT, ER.OPEN_AS_READONLY, 1792, 1836})
_UNREACHABLE: Final = frozenset({CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, CR.CR_UNKNOWN_HOST})
_LOCKED: Final = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK})

_REFUSED_ROW: Final = frozenset(
    {
        ER.BAD_NULL_ERROR,
        ER.TOO_BIG_ROWSIZE,
        ER.WARN_DATA_OUT_OF_RANGE,
        ER.WARN_DATA_TRUNCATED,
        ER.TRUNCATED_WRONG_VALUE,
        ER.INVALID_CHARACTER_STRING,
        ER.TRUNCATED_WRONG_VALUE_FOR_FIELD,
        ER.NO_DEFAULT_FOR_FIELD,
        ER.DATA_TOO_LONG,
        ER.NO_REFERENCED_ROW,
        ER.NO_REFERENCED_ROW_2,
        1644,  # a trigger of the users' own says no
        1690,  # DECIMAL or BIGINT value is out of range
        *range(3140, 3160),  # MySQL 8: JSON that is none, too deep, too large
        3819,  # MySQL 8: a check constraint is violated
        3903,  # MySQL 8: invalid JSON value
        4025,  # MariaDB: a constraint is violated, also the one that JSON columns bring
    }
)

ROLLED_BACK: Final = _LOCKED | frozenset({3100, 3101, 1180, 1181})
"""Answers to a COMMIT that tell that nothing of it was done."""


def code_of(error: BaseException) -> int:
    """MySQL's number of an error, 0 if it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def refuses_row(error: pymysql.Error) -> bool:
    """Whether the server refused the values of a statement, which it would refuse again, and nothing else is wrong."""
    return code_of(error) in _REFUSED_ROW


def engine_error(error: pymysql.Error, server: str, *, starting: bool) -> EngineError:
    """What an error means that was not met while a commit was under way: nothing was done.

    Parameters
    ----------
    server
        Names the server and the database, without secrets.
    starting
        Whether nothing has ever worked there: then what an operator must change is a :class:`ConfigError`. Later it is
        :class:`RetrySafe`, for it changed before and may change back, as when passwords are rotated.
    """
    code = code_of(error)
    text = f"cannot use {server}: {_words(error)}; {_advice(code)}"
    if starting and code in _NOT_LET_IN | _NO_DATABASE | _NO_SCHEMA:
        return ConfigError(text)
    return RetrySafe(text)


def _words(error: pymysql.Error) -> str:
    code, *rest = error.args or (type(error).__name__,)
    return f"{' '.join(map(str, rest))} ({code})" if rest else str(code)


def _advice(code: int) -> str:
    for codes, advice in (
        (_NOT_LET_IN, "check user, password and grants: MYSQL_URI, or MYSQL_USER and MYSQL_PASSWORD"),
        (_NO_DATABASE, "create the database, or correct MYSQL_URI or MYSQL_DATABASE"),
        (_NO_SCHEMA, "run: tradeengine schema apply --target mysql"),
        (_FULL, "free space on the server's disk"),
        (_READ_ONLY, "the server takes no writes now: name the primary, or wait until this one is it"),
        (_UNREACHABLE, "check that the server runs and MYSQL_URI or MYSQL_HOST and MYSQL_PORT name it"),
        (_LOCKED, "another transaction holds what is needed; it is tried again"),
    ):
        if code in codes:
            return advice
    return "it is tried again with a new connection"
