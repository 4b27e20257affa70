"""The files that a download selects, its progress, and the check for a complete model."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.download import client
from app.download.errors import MistakeError
from app.download.hub import Repository
from app.download.inspect import inspect
from app.download.progress import Progress, amount
from app.download.remote import RemoteFile
from app.download.selection import select
from tests.app.download import weights


def chosen(*paths: str) -> list[str]:
    files = [RemoteFile(path, size, "0" * 40) for size, path in enumerate(paths)]
    selection = select(files, "owner/name")
    return [file.path for file in (*selection.described, *selection.weights)]


def test_safetensors_exclude_pickles_and_other_formats() -> None:
    small = ("config.json", "tokenizer.model", "chat_template.jinja", "modeling.py", "vocab.txt")
    assert chosen(
        *small,
        "model.safetensors",
        *("pytorch_model.bin", "model.gguf", "flax_model.msgpack", "tf_model.h5", "a.pth"),
        *("README.md", "plot.PNG", ".gitattributes"),
        *("original/params.json", "onnx/config.json", "Metal/model.safetensors"),
    ) == [*small, "model.safetensors"]


def test_pickles_are_selected_without_safetensors() -> None:
    assert chosen("config.json", "pytorch_model.bin") == ["config.json", "pytorch_model.bin"]


def test_modules_of_embedding_models_keep_their_weights() -> None:
    paths = ("modules.json", "1_Pooling/config.json", "2_Dense/model.safetensors")
    assert chosen(*paths, "model.safetensors") == [*paths, "model.safetensors"]


def test_of_two_forms_of_a_mistral_model_the_one_that_vllm_loads_is_downloaded() -> None:
    paths = ["params.json", "consolidated.safetensors", "model.safetensors"]
    assert chosen(*paths) == paths[:2]


@pytest.mark.parametrize("paths", [("config.json",), ("a.gguf",), ("original/a.safetensors",)])
def test_a_repository_without_weights_is_a_mistake(paths: tuple[str, ...]) -> None:
    with pytest.raises(MistakeError, match="no weights that vLLM loads"):
        chosen(*paths)


def test_progress_is_one_line_per_ten_seconds() -> None:
    now, lines = [0.0], list[str]()
    progress = Progress(lines.append, lambda: now[0])
    progress.start(4000 * 1024**2)
    for _ in range(100):
        now[0] += 0.25
        progress.add(10 * 1024**2)
    assert lines == [
        "10 %: 400.0 MiB of 3.9 GiB, 40.0 MiB/s, about 2 min left",
        "20 %: 800.0 MiB of 3.9 GiB, 40.0 MiB/s, about 1 min left",
    ]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (5 * 1024**4, "5120.0 GiB")],
)
def test_amounts_are_readable(size: int, text: str) -> None:
    assert amount(size) == text


def test_no_repr_contains_the_token() -> None:
    with client.create() as http:
        assert "secret" not in repr(Repository("http://h", "a/b", "0" * 40, http, "secret"))


def test_a_whole_model_is_described(tmp_path: Path) -> None:
    model = inspect(weights.make(tmp_path / "m", shards=3, size=1000))
    assert (model.kind, model.weights) == ("llama", 3)
    assert model.size == sum(p.stat().st_size for p in (tmp_path / "m").glob("*.safetensors"))


def test_the_mistral_format_needs_no_config(tmp_path: Path) -> None:
    folder = weights.make(tmp_path / "m", size=10)
    (folder / "config.json").rename(folder / "params.json")
    assert inspect(folder).kind == "mistral"


BREAK: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda f: f.rename(f.with_name("away")), "not a folder"),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "not JSON": (lambda f: (f / "config.json").write_text("{"), "not JSON"),
    "not an object": (lambda f: (f / "config.json").write_text("[]"), "not a JSON object"),
    "no type": (lambda f: (f / "config.json").write_text("{}"), "model_type"),
    "a shard less": (
        lambda f: (f / "model-00002-of-00002.safetensors").unlink(),
        "lists model-00002-of-00002.safetensors, which is missing",
    ),
    "no map": (lambda f: (f / "model.safetensors.index.json").write_text("{}"), "weight_map"),
    "cut off": (
        lambda f: (f / "model-00001-of-00002.safetensors").write_bytes(
            weights.safetensors(1000)[:-1]
        ),
        "its header states",
    ),
    "empty": (
        lambda f: (f / "model-00001-of-00002.safetensors").write_bytes(b""),
        "not a safetensors file",
    ),
    "another format": (
        lambda f: (f / "model-00001-of-00002.safetensors").write_bytes(
            b"\x04" + b"\0" * 7 + b"[1]}"
        ),
        "not a safetensors file",
    ),
}


@pytest.mark.parametrize("what", BREAK)
def test_a_broken_model_is_named(tmp_path: Path, what: str) -> None:
    folder = weights.make(tmp_path / "m", shards=2, size=1000)
    inspect(folder)
    damage, message = BREAK[what]
    damage(folder)
    with pytest.raises(MistakeError, match=message.replace(".", r"\.")):
        inspect(folder)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(MistakeError, match="no weights"):
        inspect(tmp_path)


@pytest.mark.parametrize("whole", [True, False])
def test_a_folder_is_checked_without_a_hub(tmp_path: Path, whole: bool) -> None:
    folder = weights.make(tmp_path / "m", size=1000)
    if not whole:
        (folder / "config.json").unlink()
    done = subprocess.run(
        weights.command("--folder", str(folder)),
        cwd=weights.ROOT,
        env=weights.environment("http://127.0.0.1:9", tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == (0 if whole else 2)
    assert ("ready: llama" in done.stdout) == whole
    assert "Traceback" not in done.stderr
