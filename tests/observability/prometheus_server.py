"""A real Prometheus that scrapes an engine every second and evaluates the chart's rules as often."""

from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.devservices.server import Server
from tests.observability.files import RULES
from tests.support.deadline import PATIENCE_S


class PrometheusServer(Server):
    """Prometheus with one target.

    Parameters
    ----------
    program
        Where Prometheus is.
    target
        Address of the engine's API, ``http://host:port``.
    """

    name = "prometheus"

    def __init__(self, folder: Path, program: Path, target: str) -> None:
        super().__init__(folder)
        self._program = program
        self._target = target.removeprefix("http://")
        self._client = httpx.Client(timeout=PATIENCE_S, trust_env=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return self._client.get(f"{self.url}/-/ready", timeout=2).is_success
        except httpx.TransportError:
            return False

    def _prepare(self) -> None:
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(file) for file in RULES],
            "scrape_configs": [{"job_name": "tradeengine", "static_configs": [{"targets": [self._target]}]}],
        }
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")

    def _command(self) -> list[str | Path]:
        return [
            self._program,
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--log.level=warn",
        ]

    def close(self) -> None:
        super().close()
        self._client.close()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Series that an expression has now."""
        return list(self._ask("query", query=expression)["result"])

    def has_series(self, selector: str) -> bool:
        """Whether any series fits."""
        return bool(self._ask("series", **{"match[]": selector}))

    def rules(self) -> dict[str, dict[str, Any]]:
        """Every rule as the server has evaluated it, by name."""
        return {rule["name"]: rule for group in self._ask("rules")["groups"] for rule in group["rules"]}

    def _ask(self, what: str, **parameters: str) -> Any:
        document = self._client.get(f"{self.url}/api/v1/{what}", params=parameters).json()
        assert document["status"] == "success", document
        return document["data"]
