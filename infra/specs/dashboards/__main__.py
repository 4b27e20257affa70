"""`python -m infra.specs.dashboards` writes the dashboards, and the alerts as a file of rules.

It needs Grafana's foundation SDK, which is installed for development only.
"""

import sys
from pathlib import Path

import yaml
from grafana_foundation_sdk.builders import common, dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)

from infra.specs import alerts
from infra.specs.dashboards import FOLDER
from infra.specs.dashboards.panels import OPERATOR, PER_MODEL, Panel

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, WIDTH = 8, 12
"""In Grafana's grid of 24 columns."""
ANY = ".*"
"""Also where the label is missing: not every way to scrape adds the namespace."""
METRIC = "ray_rayline_max_running_requests"
"""One series per replica, from which the variables take their values."""


def written() -> dict[Path, str]:
    """Every file and its content."""
    return {
        FOLDER / "operator.json": page("rayline", "rayline-operator", OPERATOR),
        FOLDER / "model.json": page("rayline: a model", "rayline-model", PER_MODEL, "model_name"),
        FOLDER / "alerts.yaml": yaml.safe_dump(
            {"groups": alerts.groups()}, sort_keys=False, width=100, allow_unicode=True
        ),
    }


def page(title: str, uid: str, panels: tuple[Panel, ...], label: str = "") -> str:
    """The JSON of a dashboard. `label` adds a variable `model` with the values of that label."""
    made = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["rayline"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
        .with_variable(_values("namespace", "Namespace", f"label_values({METRIC}, namespace)"))
    )
    if label:
        query = f'label_values({METRIC}{{namespace=~"$namespace"}}, {label})'
        made = made.with_variable(_values("model", "Model", query))
    for panel in panels:
        made = made.with_panel(_plot(panel))
    return JSONEncoder(sort_keys=True, indent=1).encode(made.build()) + "\n"


def _values(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(ANY)
        .multi(True)
    )


def _plot(panel: Panel) -> timeseries.Panel:
    plot = (
        timeseries.Panel()
        .title(panel.title)
        .description(panel.text)
        .datasource(SOURCE)
        .unit(panel.unit)
        .min(0)
        .height(HEIGHT)
        .span(WIDTH)
        .show_points(models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(models.LegendDisplayMode.LIST)
            .placement(models.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for number, (query, legend) in enumerate(panel.queries):
        plot = plot.with_target(
            prometheus.Dataquery()
            .datasource(SOURCE)
            .ref_id(chr(ord("A") + number))
            .expr(query)
            .legend_format(legend)
            .range()
        )
    return plot


def main() -> int:
    """Write every file."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")
        print(path.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
