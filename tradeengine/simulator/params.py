"""The parameters of a request: names in lower case, values as the text that was sent."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from tradeengine.simulator import errors
from tradeengine.simulator.errors import ApiError

_DECIMAL = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_INTEGER = r"^[0-9]{1,20}$"
# a minus is read, so that whoever takes the number can name what is wrong with it
_is_decimal = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
_is_integer = re.compile(r"-?[0-9]{1,20}").fullmatch
_FLAGS = {"true": True, "false": False}


class Params:
    """Typed access to what was sent.

    The exchange takes names in any case, so getters are asked in any case too; values keep theirs.

    Parameters
    ----------
    values
        Name and text of each parameter.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def has(self, name: str) -> bool:
        """Whether the parameter was sent, be it empty."""
        return name.lower() in self._values

    def values(self) -> dict[str, str]:
        """Everything that was sent, by lower-case name."""
        return dict(self._values)

    def text(self, name: str) -> str:
        """Text of a mandatory parameter.

        Raises
        ------
        ApiError
            -1102 if it is missing or empty.
        """
        value = self._values.get(name.lower())
        if not value:
            raise errors.mandatory(name.lower())
        return value

    def optional_text(self, name: str) -> str | None:
        """Text of an optional parameter, ``None`` if it was not sent.

        Raises
        ------
        ApiError
            -1105 if it was sent without a value.
        """
        value = self._values.get(name.lower())
        if value == "":
            raise errors.empty(name.lower())
        return value

    def decimal(self, name: str) -> Decimal:
        """A mandatory number.

        Raises
        ------
        ApiError
            -1102 if it is missing, -1100 if it is no plain decimal number (an exponent is none).
        """
        return _decimal(name, self.text(name))

    def optional_decimal(self, name: str) -> Decimal | None:
        """Number, ``None`` if it was not sent; raises as :meth:`decimal` and :meth:`optional_text`."""
        value = self.optional_text(name)
        return None if value is None else _decimal(name, value)

    def integer(self, name: str) -> int:
        """A mandatory whole number.

        Raises
        ------
        ApiError
            -1102 if it is missing, -1100 if it holds anything but digits.
        """
        return _integer(name, self.text(name))

    def optional_integer(self, name: str) -> int | None:
        """Whole number, ``None`` if it was not sent; raises as :meth:`integer` and :meth:`optional_text`."""
        value = self.optional_text(name)
        return None if value is None else _integer(name, value)

    def flag(self, name: str, default: bool = False) -> bool:
        """``true`` or ``false`` in any case, the default if it was not sent.

        Raises
        ------
        ApiError
            -1130 if it is another word.
        """
        value = self.optional_text(name)
        if value is None:
            return default
        flag = _FLAGS.get(value.lower())
        if flag is None:
            raise errors.invalid_data(name.lower())
        return flag

    def member(
        self, name: str, allowed: frozenset[str], error: Callable[[], ApiError], default: str | None = None
    ) -> str:
        """One word of a list, case-sensitive.

        Parameters
        ----------
        name
            Of the parameter.
        allowed
            The words.
        error
            Makes what is raised for another word.
        default
            What stands for a parameter that was not sent; without one it is mandatory.

        Raises
        ------
        ApiError
            -1102 if it is missing and has no default, else what ``error`` makes.
        """
        value = self._values.get(name.lower())
        if not value:
            if default is None:
                raise errors.mandatory(name.lower())
            return default
        if value not in allowed:
            raise error()
        return value

    def limit(self, default: int, most: int) -> int:
        """Number of rows asked for, cut to the most that the exchange gives.

        Raises
        ------
        ApiError
            -1130 if it is not above 0.
        """
        value = self.optional_integer("limit")
        if value is None:
            return default
        if value <= 0:
            raise errors.invalid_data("limit")
        return min(value, most)


def _decimal(name: str, value: str) -> Decimal:
    if _is_decimal(value) is None:
        raise errors.illegal_characters(name.lower(), _DECIMAL)
    return Decimal(value)


def _integer(name: str, value: str) -> int:
    if _is_integer(value) is None:
        raise errors.illegal_characters(name.lower(), _INTEGER)
    return int(value)
