"""What MySQL's errors mean for the caller.

=============================  =====================================================
syntax, tables, access, TLS    ``ConfigError``: an operator changes something first
values of one row              :func:`refuses_row`: that row is parked
everything else                ``RetrySafe``: the transaction was rolled back
=============================  =====================================================

A commit whose answer is lost is ``OutcomeUnknown``; :func:`shared.mysql.transaction` tells. Numbers without a name here
have none in the driver: MySQL docs, "Server Error Message Reference"; MariaDB docs, "MariaDB Error Code Reference".
"""

from typing import Final, NamedTuple

import pymysql
from pymysql.constants import CR, ER

from shared.errors import ConfigError, EngineError, RetrySafe


class _Trouble(NamedTuple):
    """Errors that are answered alike.

    Parameters
    ----------
    lasts
        Whether it stays until somebody changes settings, grants or schema.
    """

    codes: frozenset[int]
    lasts: bool
    advice: str


_NOT_LET_IN: Final = _Trouble(
    frozenset(
        {
            ER.DBACCESS_DENIED_ERROR,
            ER.ACCESS_DENIED_ERROR,
            ER.HOST_NOT_PRIVILEGED,
            ER.TABLEACCESS_DENIED_ERROR,
            ER.COLUMNACCESS_DENIED_ERROR,
            ER.SPECIFIC_ACCESS_DENIED_ERROR,
            ER.PROCACCESS_DENIED_ERROR,
            ER.NOT_SUPPORTED_AUTH_MODE,
            ER.SERVER_IS_IN_SECURE_AUTH_MODE,
            CR.CR_SECURE_AUTH,
            CR.CR_AUTH_PLUGIN_CANNOT_LOAD,
            CR.CR_AUTH_PLUGIN_ERR,
            1698,  # MariaDB: access denied, no password was asked for
            1820,  # the password has expired, for this session
            1862,  # the password has expired
            3118,  # MySQL 8: the account is locked
            3955,  # MySQL 8: the account is locked after too many wrong passwords
            4151,  # MariaDB: the account is locked
        }
    ),
    True,
    "check user, password and grants: MYSQL_URI, or MYSQL_USER and MYSQL_PASSWORD",
)
_NO_TLS: Final = _Trouble(
    frozenset(
        {
            CR.CR_SSL_CONNECTION_ERROR,
            3159,  # the server takes connections with TLS only
        }
    ),
    True,
    "server and MYSQL_URI must agree about TLS: ssl_ca asks for it",
)
_NO_DATABASE: Final = _Trouble(
    frozenset({ER.BAD_DB_ERROR, ER.NO_DB_ERROR, ER.WRONG_DB_NAME}),
    True,
    "create the database, or correct MYSQL_URI or MYSQL_DATABASE",
)
_NO_SCHEMA: Final = _Trouble(
    frozenset(
        {
            ER.NO_SUCH_TABLE,
            ER.UNKNOWN_TABLE,
            ER.BAD_TABLE_ERROR,
            ER.BAD_FIELD_ERROR,
            ER.KEY_COLUMN_DOES_NOT_EXITS,
            ER.WRONG_VALUE_COUNT_ON_ROW,
            ER.WRONG_OBJECT,
            ER.NON_UPDATABLE_TABLE,
            ER.NONUPDATEABLE_COLUMN,
            ER.VIEW_INVALID,
            1471,  # a table that takes no rows
            1906,  # MariaDB: a generated column takes no value
            3105,  # MySQL: the same
        }
    ),
    True,
    "run: tradeengine schema apply --target mysql",
)
_NOT_UNDERSTOOD: Final = _Trouble(
    frozenset(
        {
            ER.PARSE_ERROR,
            ER.SYNTAX_ERROR,
            ER.EMPTY_QUERY,
            ER.NON_UNIQ_ERROR,
            ER.WRONG_FIELD_WITH_GROUP,
            ER.FIELD_SPECIFIED_TWICE,
            ER.WRONG_ARGUMENTS,
            ER.SP_DOES_NOT_EXIST,
            ER.UNKNOWN_SYSTEM_VARIABLE,
            ER.WRONG_VALUE_FOR_VAR,
            ER.WRONG_TYPE_FOR_VAR,
            ER.INCORRECT_GLOBAL_LOCAL_VAR,
            ER.NOT_SUPPORTED_YET,
            ER.UNKNOWN_STORAGE_ENGINE,
            ER.UNKNOWN_CHARACTER_SET,
            ER.UNKNOWN_COLLATION,
            ER.CANT_AGGREGATE_2COLLATIONS,
            CR.CR_VERSION_ERROR,
        }
    ),
    True,
    "the server does not take this engine's SQL: it must be a MySQL 8 or a MariaDB 10.11, or later",
)
_FULL: Final = _Trouble(
    frozenset({ER.DISK_FULL, ER.RECORD_FILE_FULL, ER.OUT_OF_RESOURCES}),
    False,
    "free space on the server's disk",
)
_READ_ONLY: Final = _Trouble(
    frozenset({ER.OPTION_PREVENTS_STATEMENT, ER.OPEN_AS_READONLY, 1792, 1836}),
    False,
    "the server takes no writes now: name the primary, or wait until this one is it",
)
_UNREACHABLE: Final = _Trouble(
    frozenset({CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, CR.CR_UNKNOWN_HOST}),
    False,
    "check that the server runs and MYSQL_URI or MYSQL_HOST and MYSQL_PORT name it",
)
_BLOCKED: Final = _Trouble(
    frozenset({ER.HOST_IS_BLOCKED}), False, "let this host in again with FLUSH HOSTS or mysqladmin flush-hosts"
)
_LOCKED: Final = _Trouble(
    frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK}),
    False,
    "another transaction holds what is needed; it is tried again",
)
_OTHER: Final = _Trouble(frozenset(), False, "it is tried again with a new connection")

_TROUBLES: Final = (
    _NOT_LET_IN,
    _NO_TLS,
    _NO_DATABASE,
    _NO_SCHEMA,
    _NOT_UNDERSTOOD,
    _FULL,
    _READ_ONLY,
    _UNREACHABLE,
    _BLOCKED,
    _LOCKED,
)

_REFUSED_ROW: Final = frozenset(
    {
        ER.BAD_NULL_ERROR,
        ER.INVALID_USE_OF_NULL,
        ER.WARN_NULL_TO_NOTNULL,
        ER.TOO_BIG_ROWSIZE,
        ER.WARN_DATA_OUT_OF_RANGE,
        ER.WARN_DATA_TRUNCATED,
        ER.TRUNCATED_WRONG_VALUE,
        ER.INVALID_CHARACTER_STRING,
        ER.TRUNCATED_WRONG_VALUE_FOR_FIELD,
        ER.ILLEGAL_VALUE_FOR_TYPE,
        ER.WRONG_VALUE_FOR_TYPE,
        ER.DATETIME_FUNCTION_OVERFLOW,
        ER.DIVISION_BY_ZERO,
        ER.NO_DEFAULT_FOR_FIELD,
        ER.DATA_TOO_LONG,
        # A key, a foreign key, partitions or a trigger that analysts added.
        ER.DUP_ENTRY,
        ER.DUP_UNIQUE,
        1586,  # the same, with the key's name
        ER.NO_REFERENCED_ROW,
        ER.NO_REFERENCED_ROW_2,
        ER.ROW_IS_REFERENCED,
        ER.ROW_IS_REFERENCED_2,
        1526,  # the table has no partition for a value
        1644,  # a trigger says no
        1525,  # a value of the wrong type
        1690,  # DECIMAL or BIGINT value is out of range
        *range(3140, 3159),  # MySQL 8: JSON that is none, too deep, too large
        3819,  # MySQL 8: a check constraint is violated
        3903,  # MySQL 8: invalid JSON value
        3988,  # MySQL 8: a text has no place in the column's character set
        4025,  # MariaDB: a constraint is violated, also the one that JSON columns bring
    }
)

ROLLED_BACK: Final = _LOCKED.codes | frozenset({3100, 3101, ER.ERROR_DURING_COMMIT, ER.ERROR_DURING_ROLLBACK})
"""Answers to a COMMIT that tell that nothing of it was done."""


def code_of(error: BaseException) -> int:
    """MySQL's number of an error, 0 if it has none."""
    code = error.args[0] if error.args else 0
    return code if isinstance(code, int) else 0


def refuses_row(error: pymysql.Error) -> bool:
    """Whether the server refused the values of a statement, which it would refuse again, and nothing else is wrong."""
    return code_of(error) in _REFUSED_ROW


def engine_error(error: pymysql.Error, server: str) -> EngineError:
    """What an error means that was not met while a commit was under way: nothing was done.

    Parameters
    ----------
    server
        Names the server and the database, without secrets.

    Returns
    -------
    EngineError
        :class:`ConfigError` if somebody must change something first, which may happen beside an engine at work, as
        when passwords are rotated. Otherwise :class:`RetrySafe`, also for what is not known.
    """
    code = code_of(error)
    trouble = next((one for one in _TROUBLES if code in one.codes), _OTHER)
    kind = ConfigError if trouble.lasts else RetrySafe
    return kind(f"cannot use {server}: {_words(error)}; {trouble.advice}")


def _words(error: pymysql.Error) -> str:
    code, *rest = error.args or (type(error).__name__,)
    return f"{' '.join(map(str, rest))} ({code})" if rest else str(code)
