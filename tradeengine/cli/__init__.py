"""The command line ``tradeengine``."""

from tradeengine.cli.app import main

__all__ = ["main"]
