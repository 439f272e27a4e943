"""What the figures were measured on and with."""

import os
import platform
import re
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from tradeengine.runtime.nats_server import find_binary

_PACKAGES = (
    "tradeengine",
    "nautilus_trader",
    "msgspec",
    "pydantic",
    "nats-py",
    "pymongo",
    "pymysql",
    "python-binance",
    "aiohttp",
)


def describe() -> dict[str, str]:
    """Name machine and versions, in the order in which they are shown."""
    said = subprocess.run([str(find_binary()), "--version"], check=True, capture_output=True, text=True).stdout
    return {
        "CPU": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "nats-server": said.rpartition("v")[2].strip(),
        "SQLite": sqlite3.sqlite_version,
        **{package: version(package) for package in _PACKAGES},
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", info.read_text(encoding="utf-8")) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
