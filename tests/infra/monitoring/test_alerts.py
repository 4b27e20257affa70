"""Each alert fires when it should and not otherwise, and somebody knows what to do then."""

import re
from typing import Any

import pytest
import yaml

from infra.specs.alerts import ALERTS, Alert, groups
from tests.infra.monitoring.cases import CASES
from tests.infra.monitoring.conftest import Promtool
from tests.stacks import ROOT

SELECTORS = ("", 'namespace="llm"')
"""Of the plain file, and of a PrometheusRule."""


def test_every_alert_has_a_case() -> None:
    assert {alert.name for alert in ALERTS} == CASES.keys()
    assert len(ALERTS) >= 10


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
@pytest.mark.parametrize("selector", SELECTORS, ids=["plain", "namespaced"])
def test_an_alert_fires_and_does_not(alert: Alert, selector: str, promtool: Promtool) -> None:
    (promtool.folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups(selector)}))
    case = CASES[alert.name]
    summary = alert.summary.replace("{{ $labels.model_name }}", "m")
    fired: dict[str, Any] = {
        "exp_labels": {"severity": alert.severity, **case.labels},
        "exp_annotations": {
            "summary": summary.replace("{{ $value }}", case.value),
            "runbook": f"docs/operations.md#{alert.name.lower()}",
        },
    }
    if alert.name == "RaylineNotScraped" and selector:
        fired["exp_labels"]["namespace"] = "llm"  # `absent` has the labels that it looks for
    written = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "30s",
                "input_series": [
                    {"series": within(series, selector), "values": values}
                    for series, values in inputs.items()
                ],
                "alert_rule_test": [
                    {
                        "eval_time": f"{case.minute}m",
                        "alertname": alert.name,
                        "exp_alerts": expected,
                    }
                ],
            }
            for inputs, expected in ((case.fires, [fired]), (case.quiet, []))
        ],
    }
    (promtool.folder / "test.yaml").write_text(yaml.safe_dump(written))
    code, output = promtool("test", "rules", "test.yaml")
    assert code == 0, output


def test_an_alert_is_not_about_another_stack(promtool: Promtool) -> None:
    """The rules of one namespace stay quiet while another one burns."""
    (promtool.folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups(SELECTORS[1])}))
    quiet = [
        {
            "interval": "30s",
            "input_series": [
                {"series": within(series, 'namespace="other"'), "values": values}
                for series, values in case.fires.items()
            ],
            "alert_rule_test": [
                {"eval_time": f"{case.minute}m", "alertname": name, "exp_alerts": []}
            ],
        }
        for name, case in CASES.items()
        if case.fires
    ]
    written = {"rule_files": ["rules.yaml"], "tests": quiet}
    (promtool.folder / "test.yaml").write_text(yaml.safe_dump(written))
    code, output = promtool("test", "rules", "test.yaml")
    assert code == 0, output


def within(series: str, selector: str) -> str:
    """The series with the label of the namespace."""
    name, _, labels = series.partition("{")
    inside = ",".join(filter(None, (labels.rstrip("}"), selector)))
    return f"{name}{{{inside}}}"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_every_alert_has_an_entry_with_something_to_type(alert: Alert) -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    _, _, rest = page.partition(f"\n### {alert.name}\n")
    entry = rest.partition("\n### ")[0]
    assert len(entry) > 200
    assert re.search(r"`(kubectl|rayline|pulumi) |```", entry)


def test_every_entry_is_of_an_alert() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    assert re.findall(r"^### (Rayline\w+)$", page, re.MULTILINE) == [a.name for a in ALERTS]


def test_the_file_of_rules_is_valid(promtool: Promtool) -> None:
    path = ROOT / "infra" / "specs" / "dashboards" / "alerts.yaml"
    assert yaml.safe_load(path.read_text()) == {"groups": groups()}
    code, output = promtool("check", "rules", str(path))
    assert code == 0, output
