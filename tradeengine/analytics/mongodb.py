"""Queries asked of MongoDB."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pymongo
from bson import json_util

from shared.mongodb import Document, MongoStore, mapped_errors
from tradeengine.analytics.parameters import Parameters, moment
from tradeengine.analytics.query import ColumnKind, Query
from tradeengine.analytics.values import PART, WHOLE, Value, shown
from tradeengine.projection.mongodb_codec import CODEC
from tradeengine.projection.mongodb_schema import check_made

LONGEST_S: Final = 600.0
"""Longest time, in seconds, that an answer may take."""


async def ask_mongodb(store: MongoStore, query: Query, parameters: Parameters) -> list[dict[str, Value]]:
    """Answer of the read model in MongoDB.

    Raises
    ------
    ConfigError
        If the server does not let us in, or the schema was not applied; the text says what to do.
    RetrySafe
        If it does not answer.
    """
    await store.open()
    try:
        await check_made(store)
        command = _undivided(query, command_of(query, parameters))
        asked = store.collection(command["aggregate"]).with_options(codec_options=CODEC)
        with mapped_errors(writing=False), pymongo.timeout(LONGEST_S):
            cursor = await asked.aggregate(command["pipeline"], comment=command["comment"])
            documents = await cursor.to_list()
    finally:
        await store.close()
    return [_row(query, document) for document in documents]


def command_of(query: Query, parameters: Parameters) -> Document:
    """The query's command, with what is given as its first stage."""
    command = query.command
    return command | {"pipeline": [*_chosen(query, parameters), *command["pipeline"]]}


def script(query: Query, parameters: Parameters) -> str:
    """The command as extended JSON; ``db.runCommand(EJSON.parse(…))`` takes it as it is."""
    chosen = _chosen(query, parameters)
    if not chosen:
        return query.json
    # The file's own lines stay as people wrote them.
    return query.json.replace('"pipeline": [\n', f'"pipeline": [\n    {json_util.dumps(chosen[0])},\n', 1)


def _undivided(query: Query, command: Document) -> Document:
    """The command with the two parts of each quotient in its place: MongoDB divides whole numbers into doubles.

    It is the last projection that makes the columns. Divisions in columns of other kinds, which find the place of a
    percentile, stay.
    """
    stages = list(command["pipeline"])
    place = max(number for number, stage in enumerate(stages) if "$project" in stage)
    ratios = {column.name for column in query.columns if column.kind is ColumnKind.RATIO}
    stages[place] = {
        "$project": {
            name: _in_parts(expression) if name in ratios else expression
            for name, expression in stages[place]["$project"].items()
        }
    }
    return command | {"pipeline": stages}


def _in_parts(expression: Any) -> Any:
    match expression:
        case {"$divide": [part, whole]}:
            return {PART: part, WHOLE: whole}
        case {"$cond": [condition, value, otherwise]}:
            return {"$cond": [condition, _in_parts(value), _in_parts(otherwise)]}
        case _:
            return expression


def _chosen(query: Query, parameters: Parameters) -> Sequence[Document]:
    conditions: dict[str, Any] = {}
    for name, value in parameters.given().items():
        column = query.parameters[name]
        if isinstance(value, int):
            conditions.setdefault(column, {})["$gte" if name == "from" else "$lt"] = _moment(query, value)
        else:
            conditions[column] = value
    return [{"$match": conditions}] if conditions else []


def _moment(query: Query, time_ms: int) -> datetime | str:
    text = moment(query, time_ms)
    return text if query.by_day else datetime.fromisoformat(text)


def _row(query: Query, document: Document) -> dict[str, Value]:
    unknown = document.keys() - {column.name for column in query.columns}
    if unknown:
        raise ValueError(f"{query.name}.json answers {sorted(unknown)}, which its header does not name: correct one")
    return {column.name: shown(column.kind, document.get(column.name)) for column in query.columns}
