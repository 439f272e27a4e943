"""What every error of PyMongo means to who called: done, not done, unknown, refused, or never going to work."""

import errno
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    DuplicateKeyError,
    InvalidName,
    InvalidOperation,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
)

from shared.errors import ConfigError, EngineError, OutcomeUnknown, Rejected, RetrySafe
from shared.secrets import mask_uris

DUPLICATE_KEY: Final = 11000

# Codes of the server: MongoDB manual, Error Codes.
_FORBIDDEN: Final = {
    11: "the user does not exist; check user name and authSource in the URI",
    13: "the user may not do this; grant it readWrite on the database, dbAdmin to the schema job",
    18: "authentication failed; check user name, password and authSource in the URI",
    26: "the collection is missing; run `tradeengine schema apply --target mongodb`",
    59: "the server lacks this command; use MongoDB 7 or newer",
    85: "an index of other options exists; drop it and run `tradeengine schema apply --target mongodb`",
    86: "an index of another key exists; drop it and run `tradeengine schema apply --target mongodb`",
    8000: "authentication failed; check user name, password and authSource in the URI",
}
_REFUSED: Final = frozenset({2, 9, 14, 22, 52, 56, 57, 121, 10334, 17280, 17419, 17420})
# Refused before anything was done; a member that steps down while it writes answers with other codes.
_NOT_DONE: Final = frozenset({24, 112, 365, 10058, 10107, 13435, 13436, 14031})


def error_for(error: Exception, *, writing: bool) -> EngineError | None:
    """What an error means to the caller.

    Parameters
    ----------
    error
        As PyMongo or its BSON encoder raised it.
    writing
        Whether the operation changes what is stored; one that reads can always be repeated.

    Returns
    -------
    EngineError
        ``RetrySafe``, ``OutcomeUnknown``, ``Rejected`` (this document will never be taken) or ``ConfigError``;
        ``None`` if the error is a key that is taken, which only the caller can judge, or none of PyMongo's.
    """
    unknown: Callable[[str], EngineError] = OutcomeUnknown if writing else RetrySafe
    if isinstance(error, (BSONError, OverflowError, UnicodeEncodeError)):
        return Rejected(f"MongoDB cannot store the document: {error}; correct or shorten what it is made from")
    if isinstance(error, (ConfigurationError, InvalidName)):
        return ConfigError(f"MongoDB cannot be used: {_text(error)}; correct MONGODB_URI or MONGODB_DATABASE")
    if isinstance(error, BulkWriteError):
        return _bulk(error, unknown)
    if isinstance(error, DuplicateKeyError) or not isinstance(error, PyMongoError):
        return None
    if isinstance(error, (NotPrimaryError, OperationFailure)):
        return _answered(_code(error), _text(error), unknown)
    if isinstance(error, (ServerSelectionTimeoutError, WaitQueueTimeoutError, InvalidOperation)) or _never_sent(error):
        return RetrySafe(f"MongoDB cannot be reached: {_text(error)}; check that it runs and that MONGODB_URI names it")
    return unknown(f"MongoDB does not answer: {_text(error)}; check the server and the network to it")


@contextmanager
def mapped_errors(*, writing: bool) -> Iterator[None]:
    """Raise the engine's errors instead of PyMongo's within a block.

    A key that is taken (``DuplicateKeyError``, or a ``BulkWriteError`` that begins with one) is handed on as it is.

    Parameters
    ----------
    writing
        Whether the operation changes what is stored.

    Raises
    ------
    RetrySafe, OutcomeUnknown, Rejected, ConfigError
        See :func:`error_for`.
    """
    try:
        yield
    except (PyMongoError, BSONError, OverflowError, UnicodeEncodeError) as error:
        meaning = error_for(error, writing=writing)
        if meaning is None:
            raise
        # The text of a bulk write's error holds the documents, megabytes of them perhaps.
        raise meaning from (None if isinstance(error, BulkWriteError) else error)


def _bulk(error: BulkWriteError, unknown: Callable[[str], EngineError]) -> EngineError | None:
    """The first refused document tells; without one, the write concern was not reached."""
    details: Mapping[str, Any] = error.details
    refused = details.get("writeErrors") or []
    if not refused:
        concerns = details.get("writeConcernErrors") or [{}]
        return unknown(f"MongoDB has not confirmed the write: {concerns[0].get('errmsg', error)}; check its members")
    first = refused[0]
    if first.get("code") == DUPLICATE_KEY:
        return None
    return _answered(first.get("code"), str(first.get("errmsg", error)), unknown)


def _answered(code: int | None, text: str, unknown: Callable[[str], EngineError]) -> EngineError:
    if code in _FORBIDDEN:
        return ConfigError(f"MongoDB refuses: {text} (code {code}); {_FORBIDDEN[code]}")
    if code in _REFUSED:
        return Rejected(f"MongoDB refuses the document: {text} (code {code})", str(code))
    if code in _NOT_DONE:
        return RetrySafe(f"MongoDB takes nothing now: {text} (code {code}); it is asked again")
    return unknown(f"MongoDB failed: {text} (code {code}); see the server's log")


def _code(error: NotPrimaryError | OperationFailure) -> int | None:
    if isinstance(error, OperationFailure):
        return error.code
    details = error.details if isinstance(error.details, Mapping) else {}
    code = details.get("code")
    return code if isinstance(code, int) else None


def _never_sent(error: PyMongoError) -> bool:
    """Whether the connection itself was refused: both causes arise from connecting and from nothing else."""
    cause = error.__cause__
    return isinstance(cause, socket.gaierror) or (isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED)


def _text(error: Exception) -> str:
    """The error without the description of the whole topology, and without secrets."""
    text = str(error).partition(", Topology Description")[0].partition(", full error")[0]
    return mask_uris(text)
