"""The local Hugging Face cache, and what the files in it reveal about a model."""

import inspect
import json
import re
from pathlib import Path

import pytest

from infra import rules
from infra.facts import hub_cache, model_facts
from infra.facts.model_facts import ModelFacts
from tests.stacks import REVISION, settings

CONFIG = {"num_attention_heads": 32, "quantization_config": {"quant_method": "AWQ"}}


def cached(cache: Path, config: object, **files: bytes) -> Path:
    snapshot = cache / "models--owner--one" / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps(config))
    for name, data in files.items():
        (snapshot / f"{name}.safetensors").write_bytes(data)
    return snapshot


def test_the_cache_is_read_as_huggingface_hub_lays_it_out(tmp_path: Path) -> None:
    cached(tmp_path, CONFIG, a=b"1234", b=b"12", consolidated=b"123456")
    known = hub_cache.read(tmp_path, settings().models[0])
    assert (known.weight_bytes, known.heads, known.quantization) == (6, 32, "awq")


def test_the_size_comes_from_the_index(tmp_path: Path) -> None:
    snapshot = cached(tmp_path, CONFIG, a=b"1")
    index = {"metadata": {"total_size": 14_000_000_000}, "weight_map": {}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    facts = rules.gather(settings(), environ={"HF_HUB_CACHE": str(tmp_path)})
    assert facts.of(settings().models[0]).weight_bytes == 14_000_000_000


def test_another_revision_in_the_cache_is_not_this_model(tmp_path: Path) -> None:
    cached(tmp_path, CONFIG, a=b"1")
    other = settings(models__0__revision="f" * 40)
    assert hub_cache.read(tmp_path, other.models[0]) == ModelFacts()


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"num_attention_heads": "x"}'])
def test_a_damaged_cache_is_not_an_error(tmp_path: Path, damage: str) -> None:
    (cached(tmp_path, {}) / "config.json").write_text(damage)
    assert hub_cache.read(tmp_path, settings().models[0]).heads is None


WHOLE = {
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "head_dim": 128,
    "max_position_embeddings": 32_768,
    "dtype": "bfloat16",
}
KEYS = sorted(set(re.findall(r'"([a-z0-9_]+)"', inspect.getsource(model_facts))))
ODD = ["null", "true", "-1", "0", "1e999", "NaN", "1.5", '"x"', "[]", "[{}]", "{}", "9" * 400]


@pytest.mark.parametrize("value", [*ODD, "[" * 100_000])
def test_no_value_in_the_cache_is_an_error(tmp_path: Path, value: str) -> None:
    snapshot, environ = cached(tmp_path, {}), {"HF_HUB_CACHE": str(tmp_path)}
    for key in KEYS:
        odd = f'{json.dumps(WHOLE)[:-1]}, "{key}": {value}}}'
        for text in (odd, f'{{"text_config": {odd}}}'):
            (snapshot / "config.json").write_text(text)
            rules.check(settings(), rules.gather(settings(), environ))
    for text in (value, f'{{"metadata": {value}}}', f'{{"metadata": {{"total_size": {value}}}}}'):
        (snapshot / hub_cache.INDEX).write_text(text)
        rules.check(settings(), rules.gather(settings(), environ))


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"HF_HUB_CACHE": "/a", "HF_HOME": "/b"}, "/a"),
        ({"HF_HOME": "/b", "XDG_CACHE_HOME": "/c"}, "/b/hub"),
        ({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub"),
    ],
)
def test_the_location_of_the_cache(environ: dict[str, str], folder: str) -> None:
    assert hub_cache.folder(environ) == Path(folder)
