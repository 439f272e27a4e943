"""Leases on MongoDB: one document per shard, one atomic change of one document at a time."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pymongo
from pymongo import ReturnDocument, UpdateOne
from pymongo.errors import DuplicateKeyError

from shared.leases.base import Lease, Member
from shared.mongodb import Document, MongoStore, mapped_errors
from shared.mongodb_user import MongoUser

LEASES: Final = "leases"
MEMBERS: Final = "members"


class MongoLeases(MongoUser):
    """Leases in the collections ``leases`` and ``members``; see :class:`~shared.leases.base.LeaseStore`.

    Neither needs an index beyond that of ``_id``. Writes wait for a majority, and reads see what a majority has: a
    change that is rolled back and made once more would look like one that has stood for long, and the taker's wait
    would begin too early.

    Parameters
    ----------
    store
        The client; others may use it too.
    timeout_s
        Deadline of each operation, seconds above 0. Below a third of the lease time, so that a renewal that was lost
        is repeated in time.
    """

    def __init__(self, store: MongoStore, *, timeout_s: float = 3.0) -> None:
        super().__init__(store)
        self._timeout_s = timeout_s

    async def read(self) -> list[Lease]:
        """Every shard's document, in order of the shards."""
        with self._operation(writing=False):
            return [_lease(found) async for found in self._store.collection(LEASES).find().sort("_id")]

    async def take(self, seen: Lease | None, shard: int, owner: str, ttl_ms: int) -> Lease | None:
        """Make an owner of a shard, if its document still is what was seen."""
        leases = self._store.collection(LEASES)
        if seen is None:
            first = Lease(shard, owner, epoch=1, renewals=1, ttl_ms=ttl_ms)
            try:
                with self._operation(writing=True):
                    await leases.insert_one(_document(first))
            except DuplicateKeyError:
                return None
            return first
        with self._operation(writing=True):
            found = await leases.find_one_and_update(
                _document(seen),
                {"$set": {"owner": owner, "ttl_ms": ttl_ms}, "$inc": {"epoch": 1, "renewals": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return _lease(found) if found is not None else None

    async def renew(self, owner: str, epochs: Mapping[int, int]) -> set[int]:
        """Renew an owner's leases, each by a statement of its own, all in one command."""
        leases = self._store.collection(LEASES)
        tenures = [{"_id": shard, "owner": owner, "epoch": epoch} for shard, epoch in epochs.items()]
        if not tenures:
            return set()
        statements = [UpdateOne(tenure, {"$inc": {"renewals": 1}}) for tenure in tenures]
        with self._operation(writing=True):
            done = await leases.bulk_write(statements, ordered=False)
        if done.matched_count == len(tenures):
            return set(epochs)
        # The command counts and does not name them. A tenure that has ended never comes back: what is there now was
        # there when it was to be renewed.
        with self._operation(writing=False):
            found = [_lease(each) async for each in leases.find({"_id": {"$in": list(epochs)}})]
        return {lease.shard for lease in found if (lease.owner, lease.epoch) == (owner, epochs[lease.shard])}

    async def release(self, owner: str, shard: int, epoch: int) -> bool:
        """Give a lease back."""
        with self._operation(writing=True):
            done = await self._store.collection(LEASES).update_one(
                {"_id": shard, "owner": owner, "epoch": epoch}, {"$set": {"owner": None}, "$inc": {"renewals": 1}}
            )
        return done.matched_count == 1

    async def announce(self, member: str, beat: int, version: str = "", since_ms: int = 0) -> None:
        """Set a process's beat."""
        said = {"beat": beat, "version": version, "since_ms": since_ms}
        with self._operation(writing=True):
            await self._store.collection(MEMBERS).update_one({"_id": member}, {"$set": said}, upsert=True)

    async def members(self) -> dict[str, Member]:
        """All processes, by name."""
        with self._operation(writing=False):
            return {found["_id"]: _member(found) async for found in self._store.collection(MEMBERS).find()}

    async def drain(self, member: str, drained: bool) -> bool:
        """Set or take away a process's mark."""
        with self._operation(writing=True):
            done = await self._store.collection(MEMBERS).update_one({"_id": member}, {"$set": {"drained": drained}})
        return done.matched_count == 1

    async def withdraw(self, member: str) -> None:
        """Take a process out of the members."""
        with self._operation(writing=True):
            await self._store.collection(MEMBERS).delete_one({"_id": member})

    @contextmanager
    def _operation(self, *, writing: bool) -> Iterator[None]:
        with mapped_errors(writing=writing), pymongo.timeout(self._timeout_s):
            yield


def _document(lease: Lease) -> Document:
    document = lease._asdict()
    return {"_id": document.pop("shard"), **document}


def _lease(found: Document) -> Lease:
    return Lease(found["_id"], found["owner"], found["epoch"], found["renewals"], found["ttl_ms"])


def _member(found: Document) -> Member:
    return Member(found["beat"], found.get("version", ""), found.get("since_ms", 0), found.get("drained", False))
