"""Keys of a model, and the engine's settings that the service reads from them."""

from typing import Any

from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from app.engine import settings as engine
from app.guard.settings import from_environment
from infra import rules
from infra.rules import api
from infra.settings import models, parse
from infra.settings.framework.problems import ConfigurationError
from infra.specs.serve_config import environment
from tests.infra.parity import ANY
from tests.stacks import put, values

NUMBERS = st.integers(1, 9) | st.floats(0, 1) | st.just(0.5)
RIGHT: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("tensorParallel", "pipelineParallel"), st.integers(1, 2)),
    **dict.fromkeys(("maxModelLen", "maxNumSeqs", "drainSeconds"), st.integers(1, 9)),
    "stallSeconds": st.integers(0, 9),
    "aliases": st.lists(st.sampled_from(["Qwen/Tiny", "gpt-4o"]), unique=True),
    "cpuOffloadGb": NUMBERS,
    "cpus": NUMBERS,
    "gpuMemoryUtilization": st.floats(0.1, 1),
    **dict.fromkeys(("chunkedPrefill", "enforceEager"), st.booleans()),
    "dtype": st.sampled_from(["auto", "float16"]),
    "engineArgs": st.dictionaries(
        st.sampled_from(["seed", "--swap-space", "quantization", *engine.NOT_IN_ENGINE_ARGS]),
        ANY,
        max_size=1,
    ),
}


@examples(max_examples=300)
@given(
    st.fixed_dictionaries({}, optional=RIGHT),
    st.lists(st.tuples(st.sampled_from(sorted(RIGHT)), ANY), max_size=1),
)
def test_a_model_that_passes_the_preview_has_arguments_that_the_engine_reads(
    given_model: dict[str, Any], edits: list[tuple[str, object]]
) -> None:
    whole = values(models__0__weightsGib=0.1, models__0__kvKibPerToken=1)  # fits almost always
    for key, value in {**given_model, **dict(edits)}.items():
        put(whole, ("models", 0, key), value)
    try:
        stack = parse(whole)
    except ConfigurationError:
        return
    if [problem for problem in rules.check(stack) if problem.severity == "error"]:
        return
    (model,) = stack.models
    found = engine.from_environment(environment(model), "cuda")
    assert found.arguments["gpu_memory_utilization"] == model.gpu_memory_utilization
    assert found.arguments["max_num_seqs"] == (model.max_num_seqs or engine.DEFAULT_MAX_NUM_SEQS)
    assert (found.tensor_parallel, found.pipeline_parallel) == (
        model.tensor_parallel,
        model.pipeline_parallel,
    )
    assert (found.drain_seconds, found.stall_seconds) == (model.drain_seconds, model.stall_seconds)


def test_the_watchdogs_default_is_the_engines() -> None:
    assert models.Model.model_fields["stall_seconds"].default == engine.DEFAULT_STALL_SECONDS
    stack = parse(values(models__0__stallSeconds=0))
    found = engine.from_environment(environment(stack.models[0]), "cuda")
    assert found.stall_seconds == 0


def test_the_aliases_of_a_model_are_its_other_names() -> None:
    plain = environment(parse(values()).models[0])
    assert "MODEL_ALIASES" not in plain  # a variable more would restart the replicas
    stack = parse(values(models__0__aliases=["Qwen/Tiny", "gpt-4o"]))
    written = environment(stack.models[0])
    name = stack.models[0].name
    found = engine.from_environment(written, "cuda").arguments["served_model_name"]
    assert found == [name, "Qwen/Tiny", "gpt-4o"]
    guards = from_environment(written)
    assert (guards.model_name, guards.model_aliases) == (name, ("Qwen/Tiny", "gpt-4o"))


def test_the_rule_about_a_full_replica_counts_its_places_as_the_service_does() -> None:
    assert api.DEFAULT_MAX_NUM_SEQS == engine.DEFAULT_MAX_NUM_SEQS
    found = engine.from_environment({"MODEL_ID": "a/b"}, "cuda")
    assert found.max_requests == 2 * api.DEFAULT_MAX_NUM_SEQS
