"""Commands that are imported when somebody asks for them, so that a start pays for the one command that it runs."""

from collections import UserDict
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Place(NamedTuple):
    """Where a command is defined: its module, and there a function, or a ``Typer`` that is a group of commands."""

    module: str
    attribute: str


# Typer keeps the type of a group's commands private.
class OnDemand(UserDict[str, Any]):
    """Commands by name, as :class:`typer.core.TyperGroup` keeps them: all names at once, a command at first sight.

    Parameters
    ----------
    places
        Of the commands, in the order of the help.
    """

    def __init__(self, places: Mapping[str, Place]) -> None:
        super().__init__()
        self._places = places

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self.data:
            self.data[name] = _imported(name, self._places[name])
        made: TyperCommand | TyperGroup = self.data[name]
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


def _imported(name: str, place: Place) -> Any:
    found = getattr(import_module(place.module), place.attribute)
    holder = typer.Typer(rich_markup_mode="rich")
    if isinstance(found, typer.Typer):
        holder.add_typer(found)
    else:
        holder.command(name)(found)
    return get_group(holder).commands[name]
