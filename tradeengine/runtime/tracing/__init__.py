"""Traces of signals, made beside the engine: from committed records, and by layers around its borders."""

from tradeengine.runtime.tracing.log_names import LogNames
from tradeengine.runtime.tracing.tracing import Tracing, configured_tracing

__all__ = ["LogNames", "Tracing", "configured_tracing"]
