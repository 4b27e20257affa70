"""Every query of a dashboard or an alert asks for what a real run had."""

import json
import math
import re
from importlib import metadata

import pytest

from infra.specs.alerts import SELECTOR
from infra.specs.dashboards import FOLDER, PAGES
from infra.specs.dashboards.panels import OPERATOR, PER_MODEL
from tests.infra.monitoring import recording
from tests.infra.monitoring.server import Prometheus

QUERIES = dict(recording.queries())
PANELS = {place: query for place, query in QUERIES.items() if not place.startswith("alert")}
FIRED = {"RaylineFull"}
"""The run has requests beyond the replica's places. It has wrong passwords too, but not for the
five minutes that the alert about them looks at."""
OF_THE_MACHINE = {"RaylineModelCacheFull", "RaylineSlowFirstToken"}
"""How full the disk and how busy the processors of the recording machine were."""


def filled(query: str) -> str:
    """As Grafana sends it, with all namespaces and models."""
    for variable in ("$namespace", "$model"):
        query = query.replace(variable, ".*")
    return query.replace("$__rate_interval", "1m").replace(SELECTOR, "")


def numbers(series: list[dict[str, list[tuple[float, str]]]]) -> list[float]:
    values = [float(value) for each in series for _, value in each["values"]]
    return [value for value in values if not math.isnan(value)]


@pytest.mark.parametrize("place", QUERIES)
def test_every_metric_is_one_of_the_recorded_run(place: str) -> None:
    names = set(recording.METRIC.findall(QUERIES[place]))
    assert names
    cards = {name for name in names if recording.WITHOUT_CARDS.fullmatch(name)}
    assert names - cards <= recording.read().names()


def test_the_recording_has_nothing_else() -> None:
    assert recording.read().names() <= recording.wanted()


@pytest.mark.parametrize("place", PANELS)
def test_a_panel_has_data(place: str, prometheus: Prometheus) -> None:
    assert numbers(prometheus.query(filled(PANELS[place])))


@pytest.mark.parametrize("place", QUERIES)
def test_each_selector_of_a_query_has_data(place: str, prometheus: Prometheus) -> None:
    """An alert has no result while all is well; what it looks at is there."""
    selectors = re.findall(r"(?:ray|DCGM)_\w+\{[^}]*\}", filled(QUERIES[place]))
    assert selectors
    for selector in selectors:
        if 'status=~"5.."' not in selector:  # the run had none
            assert numbers(prometheus.query(selector)), selector


def test_the_alerts_of_the_run_are_those_that_it_provoked(prometheus: Prometheus) -> None:
    fired = {
        place.removeprefix("alert: ")
        for place, query in QUERIES.items()
        if place.startswith("alert") and numbers(prometheus.query(filled(query)))
    }
    assert fired - OF_THE_MACHINE == FIRED


@pytest.mark.parametrize("page", PAGES)
def test_the_committed_dashboard_has_these_queries(page: str) -> None:
    """So that a stale file is found without the library that writes it."""
    made = json.loads((FOLDER / f"{page}.json").read_text())
    panels = {"operator": OPERATOR, "model": PER_MODEL}[page]
    assert [each["title"] for each in made["panels"]] == [panel.title for panel in panels]
    found = [[target["expr"] for target in each["targets"]] for each in made["panels"]]
    assert found == [[query for query, _ in panel.queries] for panel in panels]
    refs = [[target["refId"] for target in each["targets"]] for each in made["panels"]]
    assert all(len(set(each)) == len(each) and "" not in each for each in refs)


def test_the_committed_files_are_what_the_library_makes() -> None:
    try:
        metadata.distribution("grafana-foundation-sdk")
    except metadata.PackageNotFoundError:
        pytest.skip("no grafana-foundation-sdk: type `make setup`")
    from infra.specs.dashboards.__main__ import written

    for path, text in written().items():
        assert path.read_text() == text, f"{path.name}: python -m infra.specs.dashboards"
