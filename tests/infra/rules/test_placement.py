"""GPU groups, their cards and their CPUs."""

from hypothesis import given
from hypothesis import strategies as st

from infra.rules import Facts, placement
from tests.infra.rules.stack import errors, warnings
from tests.stacks import settings


def test_a_models_group_exists_and_is_enabled() -> None:
    reported = errors(models__0__gpuGroup="bog")
    message = reported["rayline:models[0].gpuGroup"]
    assert "did you mean 'big'?" in message
    assert message.endswith("pulumi config set --path 'rayline:models[0].gpuGroup' big")
    reported = errors(models__0__gpuGroup="spare")
    assert "'rayline:gpuGroups[1].enabled' true" in reported["rayline:models[0].gpuGroup"]
    assert (
        errors(models__0__gpuGroup="spare", models__0__weightsGib=8, gpuGroups__1__enabled=True)
        == {}
    )


def test_tensor_parallelism_stays_in_a_worker() -> None:
    reported = errors(models__0__tensorParallel=4)
    assert "'rayline:models[0].tensorParallel' 2" in reported["rayline:models[0].tensorParallel"]
    assert "pipelineParallel' 2" in reported["rayline:models[0].tensorParallel"]
    assert errors(models__0__tensorParallel=2, models__0__pipelineParallel=2) == {}
    wide = {"gpuGroups__0__workers": 3, "models__0__pipelineParallel": 2}
    assert list(errors(**wide, models__0__tensorParallel=3)) == ["rayline:models[0].tensorParallel"]


def test_a_group_has_the_cards_of_one_model() -> None:
    assert errors(models__0__replicas=4) == {}
    reported = errors(models__0__replicas=5)
    assert "4 cards, but its models need 5" in reported["rayline:gpuGroups[0].workers"]
    assert "'rayline:gpuGroups[0].workers' 3" in reported["rayline:gpuGroups[0].workers"]


def test_a_group_has_the_cards_of_all_its_models() -> None:
    two = {"models__0__tensorParallel": 2, "models__1__name": "two"}
    assert errors(**two, models__1__tensorParallel=2) == {}
    reported = errors(**two, models__0__replicas=2)
    assert list(reported) == ["rayline:gpuGroups[0].workers"]
    assert "one 2 x 2, two 1 x 2" in reported["rayline:gpuGroups[0].workers"]


def test_fragmented_cards_are_a_warning() -> None:
    """Three cards are free, but a replica with two cards needs both in one worker."""
    split = {
        "gpuGroups__0__gpu__count": 3,
        "models__0__tensorParallel": 2,
        "models__0__replicas": 3,
    }
    assert errors(**split) == {}
    assert "in one worker" in warnings(**split)["rayline:gpuGroups[0].workers"]
    assert warnings(**{**split, "models__0__replicas": 2}) == {}


def test_pipeline_stages_may_spread() -> None:
    """2 x 2 cards over two workers; each stage is a bundle of one card."""
    assert errors(models__0__pipelineParallel=4) == {}
    assert list(errors(models__0__pipelineParallel=5)) == ["rayline:gpuGroups[0].workers"]


def test_a_group_without_cards_takes_models_on_the_cpu_only() -> None:
    none = {"gpuGroups__0__gpu__count": 0}
    assert list(errors(**none)) == ["rayline:models[0].gpuGroup"]
    assert errors(**none, image__device="cpu") == {}


def test_on_the_cpu_an_engine_takes_no_cards() -> None:
    cpu = {"image__device": "cpu", "models__0__tensorParallel": 8}
    assert errors(**cpu) == {}


def test_a_group_has_the_ray_cpus_of_its_models() -> None:
    assert errors(models__0__cpus=16, models__0__replicas=2) == {}
    assert list(errors(models__0__cpus=17)) == ["rayline:gpuGroups[0].limits.cpu"]
    assert list(errors(models__0__cpus=12, models__0__replicas=3)) == [
        "rayline:gpuGroups[0].limits.cpu"
    ]


@given(
    st.integers(1, 4), st.integers(1, 8), st.integers(1, 8), st.integers(1, 4), st.integers(1, 6)
)
def test_the_rules_pass_exactly_if_every_replica_can_be_placed(
    workers: int, count: int, tensor: int, pipeline: int, replicas: int
) -> None:
    """The rules pass exactly if every replica has a place, computed independently here."""
    changes = {
        "gpuGroups__0__workers": workers,
        "gpuGroups__0__gpu__count": count,
        "models__0__tensorParallel": tensor,
        "models__0__pipelineParallel": pipeline,
        "models__0__replicas": replicas,
    }
    stack = settings(**changes)
    reported = [
        *placement.each_model_has_a_group(stack, Facts()),
        *placement.each_group_has_room_for_its_models(stack, Facts()),
    ]
    if pipeline == 1:
        places = replicas <= workers * (count // tensor)
    else:
        places = tensor <= count and replicas * tensor * pipeline <= workers * count
    assert (reported == []) is places
