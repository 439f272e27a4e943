"""A trade engine: signals of many strategies in, attributed exchange positions out."""

from importlib.metadata import version

# First of all, for what it mends; see there.
import shared as shared

__version__ = version("tradeengine")
