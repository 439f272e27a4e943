"""Errors, named for what the caller does about them.

::

    EngineError
    ├── RetrySafe        nothing happened; the same call may be made again
    ├── OutcomeUnknown   it may have happened; ask before doing anything
    ├── Rejected         the other side said no; do not repeat
    ├── Fenced           somebody else owns this now; drop it at once
    ├── Halted           an operator or a breaker said stop
    └── ConfigError      the configuration is wrong; refuse to start
"""

from contracts.enums import Refusal


class EngineError(Exception):
    """Base of all errors that the engine raises on purpose."""


class RetrySafe(EngineError):
    """Nothing happened; the same call may be made again."""


class OutcomeUnknown(EngineError):
    """The call may have taken effect; ask the other side before anything is sent again."""


class Rejected(EngineError):
    """The other side refused; repeating the call would be refused again.

    Parameters
    ----------
    message
        What was refused, where and why.
    code
        The other side's code, if it gives one.
    refusal
        Why, as far as something follows from it.
    """

    def __init__(self, message: str, code: str | None = None, refusal: Refusal = Refusal.OTHER) -> None:
        super().__init__(message)
        self.code = code
        self.refusal = refusal


class Fenced(EngineError):
    """Another owner has written where we wanted to write: everything held about it is worthless."""


class Halted(EngineError):
    """Trading is halted."""


class ConfigError(EngineError):
    """The configuration is wrong; the text names the setting, its value and what to do."""
