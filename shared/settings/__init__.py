"""Settings: each read in one place, validated at start, shown with secrets masked."""

from shared.settings.fields import Embedded, LogFormat, LogLevel, MarginType
from shared.settings.model import SettingRow, Settings

__all__ = ["Embedded", "LogFormat", "LogLevel", "MarginType", "SettingRow", "Settings"]
