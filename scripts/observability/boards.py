"""All dashboards as they are declared; nothing here needs Grafana's library."""

from typing import Final

from scripts.observability.dashboards.engine import ENGINE
from scripts.observability.dashboards.exchange import EXCHANGE
from scripts.observability.dashboards.trading import TRADING

BOARDS: Final = (TRADING, ENGINE, EXCHANGE)
