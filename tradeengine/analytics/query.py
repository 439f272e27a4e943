"""Queries: a question with its columns and parameters, and its text for either store."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class ColumnKind(StrEnum):
    """What a column of an answer holds."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    """An exact number."""
    RATIO = "ratio"
    """A quotient or a product, rounded to 8 decimals, half away from zero."""
    TIME = "time"
    """UTC with milliseconds."""
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer, and what it means, with its unit."""

    name: str
    kind: ColumnKind
    meaning: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Parameters
    ----------
    parameters
        Column of the tables that each parameter is compared with: ``from``, ``to``, ``strategy_id``, ``symbol``, as
        far as the query takes them.
    nulls
        What is left out, and what null means.
    sql
        The file for MySQL, header and all.
    json
        The file for MongoDB.
    """

    name: str
    question: str
    columns: tuple[Column, ...]
    parameters: Mapping[str, str]
    nulls: str
    sql: str
    json: str

    @property
    def command(self) -> dict[str, Any]:
        """The command for MongoDB, as ``db.runCommand`` takes it."""
        found: dict[str, Any] = msgspec.json.decode(self.json)
        return found

    @property
    def statement(self) -> str:
        """The statement for MySQL without its header."""
        return self.sql.partition("\n\n")[2].rstrip().removesuffix(";")

    @property
    def by_day(self) -> bool:
        """Whether ``from`` and ``to`` are days, not times."""
        return self.parameters.get("from") == "day"
