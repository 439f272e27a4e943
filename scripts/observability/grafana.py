"""Dashboards in Grafana's JSON, built from their declarations with Grafana's own library."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import bargauge, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from scripts.observability.panels import Board, Kind, Panel, Query

FOLDER: Final = Path(__file__).parents[2] / "helm" / "tradeengine" / "files" / "dashboards"

_HEIGHT: Final = 8
_SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_Builder = timeseries.Panel | stat.Panel | bargauge.Panel | table.Panel
_MAKERS: Final[dict[Kind, Callable[[], _Builder]]] = {
    "graph": timeseries.Panel,
    "stat": stat.Panel,
    "bars": bargauge.Panel,
    "table": table.Panel,
}


def file_of(board: Board) -> Path:
    """Where a dashboard is kept."""
    return FOLDER / f"tradeengine-{board.name}.json"


def board_text(board: Board) -> str:
    """A dashboard as Grafana reads it from a file."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"tradeengine-{board.name}")
        .description(board.shows)
        .tags(["tradeengine"])
        .time("now-1h", "now")
        .refresh("15s")
        .timezone("utc")
        .readonly()
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_job())
    )
    numbers = count(1)
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title).id(next(numbers)))
        for panel in row.panels:
            made = made.with_panel(_panel(panel).id(next(numbers)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _job() -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable("job")
        .label("Job")
        .datasource(_SOURCE)
        .query("label_values(tradeengine_build_info, job)")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(True)
    )


def _panel(panel: Panel) -> _Builder:
    made = _MAKERS[panel.kind]()
    made = made.title(panel.title).description(panel.shows).datasource(_SOURCE).unit(panel.unit)
    made = made.height(_HEIGHT).span(panel.width).thresholds(_thresholds(panel))
    if panel.most is not None:
        made = made.min(0).max(panel.most)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        made = made.with_target(_target(letter, query))
    return made


def _target(letter: str, query: Query) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(letter).datasource(_SOURCE).expr(query.expr).legend_format(query.legend)


def _thresholds(panel: Panel) -> dashboard.ThresholdsConfig:
    levels = ((None, "green"), (panel.warn_at, "yellow"), (panel.alarm_at, "red"))
    steps = [models.Threshold(value=at, color=color) for at, color in levels if at is not None or color == "green"]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)
