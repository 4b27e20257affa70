"""The parts of a soak that need no cluster: times, causes, growth, report and plot."""

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from bench.faults.processes import PARTS
from bench.faults.seen import Event
from bench.soak import explain, flat, plot, report, run, schedule
from bench.soak.explain import explained
from bench.soak.flat import Sample
from bench.soak.report import Deployed, Soak
from bench.soak.schedule import Action

ENGINE = Action(30, "kill", "engine")
MIB = 2**20


def test_an_hour_has_a_kill_per_minute_and_an_up_every_five() -> None:
    actions = schedule.actions(60)
    kills = [one for one in actions if one.part]
    assert len(kills) == 59
    assert {one.part for one in kills} == set(schedule.KILLED)
    assert all(later.at - one.at == 60 for one, later in pairwise(kills))
    ups = [one for one in actions if not one.part]
    assert [one.at for one in ups] == [300.0 * number for number in range(1, 12)]
    assert [one.kind for one in ups[:2]] == ["rotation", "rotation and deployment"]
    assert actions == sorted(actions)
    assert actions[-1].at <= 59 * 60


def test_no_up_begins_within_seconds_of_a_kill() -> None:
    actions = schedule.actions(60)
    assert all(later.at - one.at >= 20 for one, later in pairwise(actions))


@pytest.mark.parametrize(("minutes", "count"), [(0, 0), (1, 0), (2, 1), (3, 2), (7, 7)])
def test_the_last_minute_is_quiet(minutes: float, count: int) -> None:
    assert len(schedule.actions(minutes)) == count


def test_every_part_that_is_killed_or_sampled_exists() -> None:
    assert set(schedule.KILLED) <= set(PARTS)
    assert set(schedule.KILLED) <= set(explain.WINDOW_SECONDS)
    assert {part for parts in run.SAMPLED.values() for part in parts} <= set(PARTS)


@pytest.mark.parametrize(
    ("began", "ended", "cause"),
    [
        (20.0, 31.0, ENGINE),  # it was on its way
        (31.0, 36.0, ENGINE),  # no proxy had noticed
        (36.0, 37.0, None),  # the other replica should have answered
        (20.0, 29.0, None),  # before
    ],
)
def test_a_kill_explains_what_it_may_cost_and_nothing_else(
    began: float, ended: float, cause: Action | None
) -> None:
    (one,) = explained([Event("chat", began, ended, "status 503")], [ENGINE])
    assert one.cause == cause


def test_rotations_and_deployments_explain_no_failure() -> None:
    actions = [Action(300, "rotation"), Action(600, "rotation and deployment")]
    failures = [Event("chat", at + 1, at + 2, "status 401") for at in (300.0, 600.0)]
    assert [one.cause for one in explained(failures, actions)] == [None, None]


def test_a_kill_during_a_deployment_may_cost_both_replicas() -> None:
    kill = Action(630, "kill", "engine")
    failure = Event("chat", 680, 681, "status 503")
    assert explained([failure], [kill])[0].cause is None
    deployment = Action(600, "rotation and deployment")
    assert explained([failure], [deployment, kill])[0].cause == kill
    assert explained([failure], [Action(300, "rotation and deployment"), kill])[0].cause is None


def test_the_last_of_two_kills_is_the_cause() -> None:
    store, engine = Action(30, "kill", "control store"), Action(90, "kill", "engine")
    (one,) = explained([Event("chat", 89, 92, "ReadError")], [store, engine])
    assert (one.cause, one.after) == (engine, 2)


def samples(memory: list[float], descriptors: list[int] | None = None) -> list[Sample]:
    files = descriptors or [50] * len(memory)
    return [
        Sample(20.0 * number, "replica", int(one * MIB), count)
        for number, (one, count) in enumerate(zip(memory, files, strict=True))
    ]


def test_a_leak_is_found_and_restarts_are_not_taken_for_one() -> None:
    flatly = flat.growth(samples([500.0] * 60))
    restarted = flat.growth(samples([500.0 if number % 10 else 100.0 for number in range(60)]))
    leaking = flat.growth(samples([500.0 + 3 * number for number in range(60)]))
    assert flatly
    assert restarted
    assert leaking
    assert flatly[0].is_flat
    assert restarted[0].is_flat
    assert not leaking[0].is_flat
    assert leaking[0].share > 0.15


def test_descriptors_that_are_not_closed_are_found() -> None:
    growing = flat.growth(samples([500.0] * 60, list(range(50, 110))))
    assert growing
    assert growing[0].is_flat
    assert not growing[1].is_flat


def test_the_start_of_a_process_is_no_growth() -> None:
    warming = flat.growth(samples([100.0, 200.0, 300.0, 400.0, 500.0, 500.0] + [500.0] * 30))
    assert warming
    assert warming[0].is_flat
    assert flat.growth(samples([500.0] * 8)) is None, "too few to tell"


def made(failed: int, *, explained_: bool = True) -> Soak:
    """10,000 requests of which some failed."""
    began = 30.5 if explained_ else 100.0
    good = [Event("models", number / 20, number / 20 + 0.1) for number in range(10_000 - failed)]
    bad = [Event("stream", began, began + 1, "ReadError") for _ in range(failed)]
    return Soak(600.0, [*good, *bad], [ENGINE], [], samples([500.0] * 30))


def test_a_soak_meets_its_goals_or_says_which_it_misses() -> None:
    assert made(5).percent == pytest.approx(99.95)
    assert made(5).faults == []
    (few,) = made(6).faults
    assert few == "99.940 % of the requests succeeded, less than 99.95 %"
    (unexplained,) = made(1, explained_=False).faults
    assert unexplained == "1 failures have no cause"
    assert Soak(1.0, [], [], [], []).faults == ["nothing was asked"]
    failed = [Deployed(Action(300, "rotation"), 9.0, 3, "no answer")]
    assert "failed 3 times: no answer" in Soak(1.0, made(0).events, [], failed, []).faults[0]


def test_the_report_counts_kinds_and_causes() -> None:
    text = report.markdown(made(6))
    assert "| stream | 6 | 6 | 0.000 % |" in text
    assert "| stream | ReadError | kill of engine | 6 | 1.5 |" in text
    assert "- Missed: 99.940 %" in text
    assert "| replica | 500 to 500 | +0.0% | 50 to 50 | +0.0% |" in text


def test_the_plot_is_an_svg_with_a_curve_of_each_part_and_a_line_per_disturbance() -> None:
    root = ElementTree.fromstring(plot.svg(made(6)))
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}polyline")) == 2 + 1 + 1
    assert len(root.findall(f"{name}line")) == 3, "one in each panel"
    texts = [one.text for one in root.findall(f"{name}text")]
    assert {"answered", "failed", "replica", "memory, MiB"} <= set(texts)
    assert "nan" not in plot.svg(Soak(0.0, [], [], [], []))
