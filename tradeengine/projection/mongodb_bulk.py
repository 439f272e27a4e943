"""Bulk: many documents of one collection changed in one command, and each one's fate told."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pymongo import InsertOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, OperationFailure

from shared.errors import OutcomeUnknown, Rejected
from shared.mongodb import DUPLICATE_KEY, Document, error_for, mapped_errors


class Update(NamedTuple):
    """A document's change.

    Parameters
    ----------
    older
        Filter that the document meets only as long as nothing newer is written.
    change
        Operators such as ``$set``, with absolute values.
    upsert
        Whether the document is made if there is none.
    new
        The whole document as it is made, if there most likely is none yet: to insert is several times as fast.
    """

    id: str
    older: Document
    change: Document
    upsert: bool = False
    new: Document | None = None

    @property
    def guarded(self) -> UpdateOne:
        """Operation that touches nothing newer."""
        return UpdateOne(self.older, self.change, upsert=self.upsert)


class Refused(NamedTuple):
    """A change that the server will never take, and why."""

    update: Update
    reason: str


class _Taken(NamedTuple):
    """A change that found a key taken: its own, or one of another unique index."""

    update: Update
    own: bool


async def write(collection: AsyncCollection[Document], updates: Sequence[Update]) -> list[Refused]:
    """Change documents that are older than their updates; those that are newer stay as they are.

    Raises
    ------
    RetrySafe, OutcomeUnknown, ConfigError
        If not all of it was done; it may be done again.
    """
    refused, taken = await _attempt(collection, updates, insert=True)
    # A key belongs to a newer document, or to an older one, which may have come in between: what is tried again tells.
    for _ in range(2):
        if taken:
            again, taken = await _attempt(collection, [one.update for one in taken])
            refused += again
    return refused + await _kept_out(collection, taken)


async def _attempt(
    collection: AsyncCollection[Document], updates: Sequence[Update], *, insert: bool = False
) -> tuple[list[Refused], list[_Taken]]:
    """What was refused, and what found its key taken."""
    operations = [InsertOne(update.new) if insert and update.new is not None else update.guarded for update in updates]
    try:
        with mapped_errors(writing=True):
            try:
                await collection.bulk_write(operations, ordered=False)
            except BulkWriteError as error:
                return _sorted_out(error.details, updates)
    except Rejected as error:
        # The driver or the server refuses the command as a whole: halves find the document that it is about.
        if len(updates) == 1:
            return [Refused(updates[0], str(error))], []
        half = len(updates) // 2
        first = await _attempt(collection, updates[:half], insert=insert)
        second = await _attempt(collection, updates[half:], insert=insert)
        return first[0] + second[0], first[1] + second[1]
    return [], []


async def _kept_out(collection: AsyncCollection[Document], taken: Sequence[_Taken]) -> list[Refused]:
    """Updates whose document is not there: a unique index of somebody else's keeps them out.

    Where it is their own key that is taken nevertheless, another write of the same document is under way: one that this
    process gave up waiting for, on a server that shows its keys before its documents.
    """
    if not taken:
        return []
    with mapped_errors(writing=False):
        held = await collection.find({"_id": {"$in": [one.update.id for one in taken]}}, {"_id": 1}).to_list()
    there = {document["_id"] for document in held}
    absent = [one for one in taken if one.update.id not in there]
    for one in absent:
        if one.own:
            raise OutcomeUnknown(
                f"MongoDB holds the key {one.update.id} of {collection.name} without its document: it is tried again; "
                "if this stays, repair that collection"
            )
    reason = f"a unique index of {collection.name} that is not the engine's keeps the document out: drop that index"
    return [Refused(one.update, reason) for one in absent]


def _sorted_out(details: Mapping[str, Any], updates: Sequence[Update]) -> tuple[list[Refused], list[_Taken]]:
    refused, taken = [], []
    for failure in details["writeErrors"]:
        update = updates[failure["index"]]
        if failure["code"] == DUPLICATE_KEY:
            taken.append(_Taken(update, own="index: _id_ " in failure["errmsg"]))
            continue
        meaning = error_for(OperationFailure(failure["errmsg"], failure["code"]), writing=True)
        if not isinstance(meaning, Rejected):
            raise meaning or OutcomeUnknown(f"MongoDB failed: {failure['errmsg']}; see the server's log")
        refused.append(Refused(update, str(meaning)))
    concerns = details.get("writeConcernErrors")
    if concerns:
        raise OutcomeUnknown(f"MongoDB has not confirmed a write: {concerns[0].get('errmsg')}; check its members")
    return refused, taken
