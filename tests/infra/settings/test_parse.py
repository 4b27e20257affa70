"""Each mistake in the configuration is one line: the key, what was given, what to type."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.settings import SCHEMA, parse
from infra.settings.framework.problems import ConfigurationError, key_path, set_command
from tests.commands import advised, typed
from tests.stacks import Location, locations, put, values


def failure(encrypted: tuple[str, ...] = (), /, **changes: Any) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        parse(values(**changes), encrypted)
    return caught.value


def only(**changes: Any) -> tuple[str, str]:
    (problem,) = failure(**changes).problems
    return problem.key, problem.message


@pytest.mark.parametrize(
    ("change", "key", "parts"),
    [
        (
            {"models__0__tensorParallel": "two"},
            "rayline:models[0].tensorParallel",
            ["is 'two'", "a whole number from 1", "tensorParallel' 1"],
        ),
        (
            {"models__0__dtype": "fp16"},
            "rayline:models[0].dtype",
            ["is 'fp16'", "one of auto, float16, bfloat16, float32"],
        ),
        (
            {"models__0__tensor_parallel": 2},
            "rayline:models[0].tensor_parallel",
            [
                "is not a key",
                "did you mean 'tensorParallel'?",
                "pulumi config rm --path 'rayline:models[0].tensor_parallel', then: "
                "pulumi config set --path 'rayline:models[0].tensorParallel' 2",
            ],
        ),
        ({"modells": []}, "rayline:modells", ["is not a key", "did you mean 'models'?"]),
        ({"zzz": 1}, "rayline:zzz", ["is not a key", "rayline has: cluster, image"]),
        ({"jwtkey": "x"}, "rayline:jwtkey", ["did you mean 'jwtKey'?"]),
        (
            {"serve__port": 80},
            "rayline:serve.port",
            [
                "is 80",
                "from 1024 up to 65535",
                "pulumi config set --path 'rayline:serve.port' 8000",
            ],
        ),
        (
            {"storage": "200Gi"},
            "rayline:storage",
            ["is '200Gi'", "an object with the keys claim", "config rm --path 'rayline:storage'"],
        ),
        ({"image": {}}, "rayline:image", ["neither is set"]),
        (
            {"ray__labels": {"example.com/a": True}},
            'rayline:ray.labels["example.com/a"]',
            ["is the truth value true where a text is meant", "--type string true"],
        ),
        ({"ray__env": {"1X": "a"}}, "rayline:ray.env.1X", ["a name that is not allowed"]),
        (
            {"models__0__cpus": float("inf")},
            "rayline:models[0].cpus",
            ["is inf", "a number above 0", "pulumi config set --path 'rayline:models[0].cpus' 1"],
        ),
        ({"models__0__weightsGib": float("nan")}, "rayline:models[0].weightsGib", ["is nan"]),
        ({"auth__users": []}, "rayline:auth.users", ["is []", "that is not empty"]),
    ],
)
def test_one_mistake_is_one_line(change: dict[str, Any], key: str, parts: list[str]) -> None:
    found, message = only(**change)
    assert found == key
    for part in parts:
        assert part in message
    assert "\n" not in message


def test_a_missing_key_is_described_with_the_command_to_type() -> None:
    whole = values()
    del whole["models"][0]["gpuGroup"], whole["cluster"]
    with pytest.raises(ConfigurationError) as caught:
        parse(whole)
    found = {p.key: p.message for p in caught.value.problems}
    assert "rayline:cluster.context" in found["rayline:cluster"]
    assert (
        "pulumi config set --path 'rayline:models[0].gpuGroup'"
        in (found["rayline:models[0].gpuGroup"])
    )


def test_every_problem_is_reported_at_once() -> None:
    error = failure(models__0__tensorParallel=0, serve__port=1, hub__endpoint="x", zzz=1)
    assert len(error.problems) == 4
    assert len(str(error).splitlines()) == 5
    assert str(error).startswith("The stack configuration has 4 problems:")


def test_an_encrypted_value_is_refused_and_never_repeated() -> None:
    error = failure(("ray",), ray__version="s3cret", ray__env={"A": ["s3cret"]})
    assert "s3cret" not in str(error)
    assert "Secrets have their own keys" in str(error)


def test_a_text_that_is_a_number_sets_a_number() -> None:
    """`pulumi config set --path` writes 0.5 as a text."""
    parsed = parse(values(models__0__gpuMemoryUtilization="0.5", models__0__cpus="2"))
    assert (parsed.models[0].gpu_memory_utilization, parsed.models[0].cpus) == (0.5, 2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


@given(st.sampled_from(list(locations())), JSON)
def test_any_value_gives_settings_or_readable_lines(location: Location, value: object) -> None:
    """No other exception occurs. Each line has a key and, except for validators, what to type."""
    try:
        parse(put(values(), location, value))
    except ConfigurationError as error:
        for problem in error.problems:
            assert problem.key.startswith("rayline:")
            assert re.search(r"Type: .*pulumi config|is wrong: |in an editor", problem.message), (
                problem
            )


@pytest.mark.parametrize("location", list(locations()), ids=lambda at: key_path(*at))
def test_every_key_is_described(location: Location) -> None:
    assert SCHEMA.at(location).get("description")


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        (("models", 0, "dtype"), "rayline:models[0].dtype"),
        (("ray", "labels", "a.b/c"), 'rayline:ray.labels["a.b/c"]'),
        (("ray", "env", "A_B"), "rayline:ray.env.A_B"),
    ],
)
def test_paths_are_as_pulumi_takes_them(parts: tuple[str | int, ...], path: str) -> None:
    assert key_path(*parts) == path


@pytest.mark.parametrize(
    ("value", "end"), [(2, " 2"), (True, " true"), ("a/b", " a/b"), ("<x>", " '<x>'")]
)
def test_commands_survive_a_shell(value: object, end: str) -> None:
    assert set_command("rayline:a", value).endswith("'rayline:a'" + end)


@pytest.mark.parametrize(
    "change",
    [
        {"models__0__tensorParallel": "two"},
        {"models__0__tensor_parallel": 2},
        {"models__0__dtype": "fp16"},
        {"models__0__cpus": float("inf")},
        {"serve__port": 80},
        {"ray__labels": {"example.com/a": True}},
        {"ray__env": {"1X": "a"}},
    ],
)
def test_typing_the_advice_removes_the_problem(change: dict[str, Any]) -> None:
    (problem,) = failure(**change).problems
    commands = advised(problem.message)
    assert commands or "<" in problem.message
    if commands:
        parse(typed(values(**change), commands))
