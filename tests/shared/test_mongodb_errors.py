"""What each error of the driver means to who called."""

import errno
import socket

import pytest
from bson.errors import InvalidDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConfigurationError,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidName,
    InvalidOperation,
    InvalidURI,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from shared.errors import ConfigError, EngineError, OutcomeUnknown, Rejected, RetrySafe
from shared.mongodb_errors import error_for, mapped_errors


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def bulk(*write_errors: dict[str, object], concerns: tuple[dict[str, object], ...] = ()) -> BulkWriteError:
    return BulkWriteError({"writeErrors": list(write_errors), "writeConcernErrors": list(concerns)})


REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed")
TABLE: list[tuple[Exception, type[EngineError], type[EngineError]]] = [
    # what the driver raises, what it means for a write, and for a read
    (ServerSelectionTimeoutError("No servers found"), RetrySafe, RetrySafe),
    (WaitQueueTimeoutError("pool"), RetrySafe, RetrySafe),
    (InvalidOperation("Cannot use AsyncMongoClient after close"), RetrySafe, RetrySafe),
    (caused(AutoReconnect("h:1: refused"), REFUSED), RetrySafe, RetrySafe),
    (caused(AutoReconnect("h:1: unknown"), socket.gaierror(-2, "Name or service not known")), RetrySafe, RetrySafe),
    (caused(AutoReconnect("h:1: reset"), OSError(errno.ECONNRESET, "reset")), OutcomeUnknown, RetrySafe),
    (AutoReconnect("connection closed"), OutcomeUnknown, RetrySafe),
    (NetworkTimeout("timed out"), OutcomeUnknown, RetrySafe),
    (ExecutionTimeout("operation exceeded time limit", 50), OutcomeUnknown, RetrySafe),
    (WTimeoutError("waiting for replication timed out", 64), OutcomeUnknown, RetrySafe),
    (WriteConcernError("not enough data-bearing nodes", 100), OutcomeUnknown, RetrySafe),
    (NotPrimaryError("not primary", {"code": 10107}), RetrySafe, RetrySafe),
    (NotPrimaryError("primary stepped down", {"code": 189}), OutcomeUnknown, RetrySafe),
    (NotPrimaryError("interrupted", {"code": 11602}), OutcomeUnknown, RetrySafe),
    (NotPrimaryError("node is recovering"), OutcomeUnknown, RetrySafe),
    (OperationFailure("write conflict", 112), RetrySafe, RetrySafe),
    (OperationFailure("out of disk space", 14031), RetrySafe, RetrySafe),
    (OperationFailure("something new", 999_999), OutcomeUnknown, RetrySafe),
    (OperationFailure("no code"), OutcomeUnknown, RetrySafe),
    (OperationFailure("Authentication failed.", 18), ConfigError, ConfigError),
    (OperationFailure("not authorized on trade", 13), ConfigError, ConfigError),
    (OperationFailure("no such command: 'saslStart'", 59), ConfigError, ConfigError),
    (OperationFailure("Index with name decided_1 already exists", 85), ConfigError, ConfigError),
    (ConfigurationError("The DNS query name does not exist"), ConfigError, ConfigError),
    (InvalidURI("Invalid URI scheme"), ConfigError, ConfigError),
    (InvalidName("database names cannot contain the character ' '"), ConfigError, ConfigError),
    (DocumentTooLarge("BSON document too large"), Rejected, Rejected),
    (InvalidDocument("cannot encode object: Decimal('1')"), Rejected, Rejected),
    (OverflowError("MongoDB can only handle up to 8-byte ints"), Rejected, Rejected),
    (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Rejected, Rejected),
    (WriteError("Document failed validation", 121), Rejected, Rejected),
    (OperationFailure("object to insert too large", 10334), Rejected, Rejected),
    (bulk({"index": 0, "code": 121, "errmsg": "Document failed validation"}), Rejected, Rejected),
    (bulk({"index": 0, "code": 112, "errmsg": "write conflict"}), RetrySafe, RetrySafe),
    (bulk(concerns=({"code": 64, "errmsg": "waiting for replication timed out"},)), OutcomeUnknown, RetrySafe),
]


@pytest.mark.parametrize(
    ("error", "write", "read"), TABLE, ids=[f"{n}-{type(row[0]).__name__}" for n, row in enumerate(TABLE)]
)
def test_each_error_says_what_the_caller_may_do(
    error: Exception, write: type[EngineError], read: type[EngineError]
) -> None:
    for writing, meaning in ((True, write), (False, read)):
        with pytest.raises(meaning) as raised, mapped_errors(writing=writing):
            raise error
        assert type(raised.value) is meaning
        assert "MongoDB" in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [DuplicateKeyError("E11000", 11000), bulk({"index": 2, "code": 11000, "errmsg": "E11000"}), KeyError("not its")],
)
def test_a_key_that_is_taken_is_for_the_caller_to_judge(error: Exception) -> None:
    assert error_for(error, writing=True) is None
    with pytest.raises(type(error)), mapped_errors(writing=True):
        raise error


def test_no_error_shows_a_password_or_the_documents() -> None:
    with pytest.raises(OutcomeUnknown) as raised, mapped_errors(writing=True):
        raise AutoReconnect("mongodb://trader:hunter22@db:27017 closed")
    assert "hunter22" not in str(raised.value)

    with pytest.raises(Rejected) as refused, mapped_errors(writing=True):
        raise bulk({"index": 0, "code": 121, "errmsg": "validation", "op": {"payload": "as long as a book"}})
    assert "as long as a book" not in str(refused.value)
    assert refused.value.__cause__ is None
