"""Every rule: clusters on which it reports nothing, and clusters on which it does."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from infra.cluster_check import parse as parsing
from infra.cluster_check import registry, scheduling, workloads
from infra.cluster_check.facts import (
    ClusterFacts,
    Fact,
    RuntimeClass,
    Taint,
    known,
)
from infra.cluster_check.rules import classes, images
from infra.settings import parse
from tests.infra.cluster_check.cases import EXISTING, INGRESS, OURS
from tests.infra.cluster_check.clusters import (
    GOOD,
    GPUS,
    PLAIN,
    findings,
    texts,
    with_nodes,
)
from tests.infra.cluster_check.fine_cases import FINE
from tests.infra.cluster_check.monitoring_cases import MONITORING_CASES
from tests.infra.cluster_check.node_cases import NODE_CASES
from tests.infra.cluster_check.other_cases import OTHER_CASES
from tests.stacks import committed

CASES = {**NODE_CASES, **OTHER_CASES, **MONITORING_CASES}


@pytest.mark.parametrize("name", FINE)
def test_a_suitable_cluster_has_no_findings(name: str) -> None:
    fine = FINE[name]
    found = findings(fine.facts, **fine.changes)
    assert (texts(found.problems), found.skipped) == ([], ())


@pytest.mark.parametrize(
    ("rule", "number"), [(rule, n) for rule, cases in CASES.items() for n in range(len(cases))]
)
def test_a_rule_reports_what_to_type(rule: str, number: int) -> None:
    failing = CASES[rule][number]
    (report,) = (each for each in registry.rules() if each.__name__ == rule)
    found = findings(failing.facts, **failing.changes)
    by_rule = list(report(parse(committed("prod", **failing.changes)), failing.facts))
    (text,) = texts(by_rule)
    assert texts(found.problems) == [text]
    assert text.startswith(f"{failing.severity}: ")
    assert [part for part in failing.parts if part not in text] == []


def test_every_rule_has_a_failing_cluster() -> None:
    assert {each.__name__ for each in registry.rules()} == CASES.keys()


def test_a_running_stack_is_only_warned() -> None:
    """What runs may not be stopped by a finding that only concerns new pods."""
    live = replace(with_nodes(PLAIN), live=known(True), namespace=known(OURS))
    assert {p.severity for p in findings(live).problems} == {"warning"}


@pytest.mark.parametrize("name", [*ClusterFacts.__dataclass_fields__])
def test_a_fact_that_is_not_known_skips_its_rules_and_invents_nothing(name: str) -> None:
    if not isinstance(getattr(GOOD, name), Fact):
        return
    unknown: dict[str, Any] = {name: Fact(None, "no right")}
    found = findings(replace(GOOD, **unknown), **INGRESS | EXISTING)
    expected = findings(GOOD, **INGRESS | EXISTING)
    assert set(texts(found.problems)) <= set(texts(expected.problems))
    assert set(found.skipped) <= {"no right"}


def test_nodes_that_have_to_pull_a_prebuilt_image_are_counted() -> None:
    ref = f"registry.example.com/llm@sha256:{'1' * 64}"
    settings = parse(committed("prod", image={"ref": ref}))
    facts = with_nodes(PLAIN, replace(GPUS[0], images=frozenset({ref})), GPUS[1])
    assert images.pulls(settings, facts).startswith("2 of 3 nodes that may run it do not list")
    assert images.pulls(parse(committed("prod")), facts) == ""


def test_nothing_known_reports_nothing() -> None:
    nothing = ClusterFacts(context="production", secrets={name: Fact() for name in GOOD.secrets})
    found = findings(nothing)
    assert found.problems == ()
    assert len(found.skipped) == 1


@pytest.mark.parametrize("field", ["runtimeClassName", "priorityClassName"])
def test_an_unknown_class_of_a_pod_is_an_error(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    """Whichever key it comes from: the rule judges the pods that will be made."""
    settings = parse(committed("prod"))
    spec = {field: "nvidai"}
    pods = [replace(pod, spec={**pod.spec, **spec}) for pod in workloads.workloads(settings)][1:2]
    monkeypatch.setattr(classes, "workloads", lambda _: pods)
    report = classes.runtime_classes_exist
    facts = replace(GOOD, runtime_classes=known((RuntimeClass("nvidia"),)))
    if field == "priorityClassName":
        report = classes.priority_classes_exist
        facts = replace(GOOD, priority_classes=known(("nvidia",)))
    (problem,) = report(settings, facts)
    assert (problem.severity, problem.key) == ("error", f"rayline:gpuGroups[0].{field}")
    assert f"'rayline:gpuGroups[0].{field}' nvidia" in problem.message
    pods[0] = replace(pods[0], spec={**pods[0].spec, field: "nvidia"})
    assert list(report(settings, facts)) == []


def test_a_runtime_class_adds_its_placement() -> None:
    (node,) = (replace(PLAIN, labels={"gpu": "yes"}, taints=(Taint("gpu", "NoSchedule"),)),)
    found = RuntimeClass("nvidia", {"gpu": "yes"}, ({"key": "gpu", "operator": "Exists"},))
    spec = scheduling.with_runtime_class({"runtimeClassName": "nvidia"}, [found])
    assert scheduling.selects(spec, node)
    assert not scheduling.selects(spec, PLAIN)
    assert scheduling.untolerated(spec, node) == []
    assert scheduling.untolerated({}, node) == list(node.taints)


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ["a", "b"], True),
        ("NotIn", ["a"], False),
        ("NotIn", ["b"], True),
        ("Exists", [], True),
        ("DoesNotExist", [], False),
        ("Gt", ["1"], False),
        ("Unknown", ["a"], False),
    ],
)
def test_node_affinity_is_read_as_the_scheduler_does(
    operator: str, values: list[str], matches: bool
) -> None:
    term = {"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    spec = {"affinity": {"nodeAffinity": required}}
    assert scheduling.selects(spec, replace(PLAIN, labels={"k": "a"})) is matches


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("15900m", "15.9"), ("65000000Ki", "66560000000"), ("1e3", "1000"), ("110", "110")),
        *(("1Ei", str(1024**6)), ("128974848n", "0.128974848"), ("x", None), ("", None)),
    ],
)
def test_amounts_of_nodes_are_read_in_every_form(text: str, value: str | None) -> None:
    assert parsing.quantity(text) == (None if value is None else Decimal(value))
