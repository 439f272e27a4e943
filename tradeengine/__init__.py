"""A trade engine: signals of many strategies in, attributed exchange positions out."""

from importlib.metadata import version

__version__ = version("tradeengine")
