"""Repositories of many shapes: which files a download selects, and what it refuses at once.

The expected files are those that vLLM 0.32 loads, `default_loader.py`, `_prepare_weights`.
"""

import json
from pathlib import Path

import pytest

from app.download.errors import MistakeError
from app.download.formats import BIN_INDEX, SAFETENSORS_INDEX
from app.download.inspect import inspect
from app.download.remote import RemoteFile
from app.download.selection import Selection, select
from tests.app.download import weights

SMALL = ("config.json", "tokenizer.json")
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
BINS = ("pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin")


def selected(*paths: str, load_format: str = "auto", purpose: str = "model") -> Selection:
    files = [RemoteFile(path, 10, "0" * 40) for path in paths]
    return select(files, "owner/name", load_format, purpose)  # type: ignore[arg-type]


def names(selection: Selection) -> set[str]:
    return {file.path for file in (*selection.described, *selection.weights)}


# Files of a repository -> those that are left out.
SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "llama 2": ((*SHARDS, SAFETENSORS_INDEX), (*BINS, BIN_INDEX, "LICENSE.md")),
    "bin only": ((*BINS, BIN_INDEX, "generation_config.json"), ()),
    "pt only": (("model.pt",), ("optimizer.pt", "scheduler.pt", "rng_state_0.pth")),
    "several files without an index": (("model.safetensors", "more.safetensors"), ()),
    "mistral": (
        ("params.json", "consolidated.safetensors", "tekken.json"),
        (*SHARDS, SAFETENSORS_INDEX),
    ),
    "meta": (
        ("model.safetensors",),
        ("original/consolidated.00.pth", "original/params.json", "original/tokenizer.model"),
    ),
    "sentence-transformers": (
        (
            *("modules.json", "1_Pooling/config.json", "2_Dense/config.json"),
            *("2_Dense/model.safetensors", "model.safetensors"),
        ),
        ("2_Dense/pytorch_model.bin", "pytorch_model.bin", "onnx/model.onnx"),
    ),
    "sentence-transformers, old": (
        ("modules.json", "2_Dense/pytorch_model.bin", "pytorch_model.bin"),
        ("rust_model.ot", "tf_model.h5"),
    ),
    "heads beside the weights": (
        ("pytorch_model.bin", "sparse_linear.pt", "colbert_linear.pt"),
        ("onnx/model.onnx_data", "imgs/bm25.jpg"),
    ),
    "heads beside safetensors": (
        ("model.safetensors", "sparse_linear.pt"),
        ("pytorch_model.pt", "consolidated.00.pth"),
    ),
    "parts in folders": (
        (
            *("model.safetensors", "vision_tower/config.json", "vision_tower/model.safetensors"),
            *("speech-lora/adapter_config.json", "speech-lora/adapter_model.safetensors"),
            *("whisper-large-v3/config.json", "whisper-large-v3/model.safetensors"),
            "audio_detokenizer/model.pt",
        ),
        ("vision_tower/pytorch_model.bin", "vision_tower/flax_model.msgpack"),
    ),
    "checkpoints": (
        ("model.safetensors",),
        (
            *("checkpoint-500/model.safetensors", "checkpoint-500/config.json"),
            *("checkpoint-500/global_step500/mp_rank_00_model_states.pt", "training_args.bin"),
            *("global_step12/zero_pp_rank_0.pt", "step_1000/model.safetensors"),
            *("epoch-3/pytorch_model.bin", "last-checkpoint/model.safetensors"),
            *("runs/1/events.out", "best/model.safetensors", "best/trainer_state.json"),
            *("out/ckpt_7/model.safetensors", "checkpoints/a/model.safetensors"),
        ),
    ),
    "other programs": (
        ("model.safetensors",),
        (
            *("flax_model.msgpack", "tf_model.h5", "rust_model.ot", "model.onnx", "m.gguf"),
            *("openvino_model.bin", "openvino/openvino_model.xml", "ggml-model-q4_0.bin"),
            *("saved_model/saved_model.pb", "coreml/a.mlpackage/Data/weights/weight.bin"),
            "text.mlpackage/Data/weight.bin",
        ),
    ),
    "an adapter beside the model": (("model.safetensors",), ("adapter_model.safetensors",)),
    "consolidated copies in a folder": (("model.safetensors",), ("m/consolidated.safetensors",)),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_what_vllm_loads_is_selected_and_nothing_else(shape: str) -> None:
    kept, left_out = SHAPES[shape]
    assert names(selected(*SMALL, *kept, *left_out)) == {*SMALL, *kept}


REFUSED = {
    "pth only": (("consolidated.00.pth", "params.json"), r"only \.pth"),
    "gguf": (("model-Q4_K_M.gguf", "config.json"), r"only \.gguf"),
    "an adapter": (("adapter_config.json", "adapter_model.safetensors"), "only a LoRA adapter"),
    "diffusers": (("model_index.json", "unet/model.safetensors"), "only in unet/"),
    "openvino": (("openvino_model.bin", "openvino_model.xml"), "no weights"),
    "a state of the training": (("training_args.bin", "optimizer.bin"), "no weights"),
    "checkpoints only": (("checkpoint-1/model.safetensors",), "only in checkpoint-1/"),
    "in a folder": (("original/model.safetensors",), "only in original/"),
    "nothing": ((), "no weights"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_what_vllm_cannot_load_is_refused_by_its_names(shape: str) -> None:
    paths, message = REFUSED[shape]
    with pytest.raises(MistakeError, match=message) as error:
        selected(*SMALL, *paths)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("load_format", "kept"),
    [
        ("auto", "consolidated.safetensors"),
        ("hf", "model.safetensors consolidated.safetensors"),
        ("safetensors", "model.safetensors consolidated.safetensors"),
        ("FastSafetensors", "model.safetensors consolidated.safetensors"),
        ("mistral", "consolidated.safetensors"),
        ("npcache", "pytorch_model.bin"),
        ("pt", "model.pt"),
        ("dummy", ""),
    ],
)
def test_the_load_format_decides(load_format: str, kept: str) -> None:
    found = selected(
        *("consolidated.safetensors", "model.safetensors", "pytorch_model.bin", "model.pt"),
        load_format=load_format,
    )
    assert {file.path for file in found.weights} == set(kept.split())


def test_an_unknown_load_format_is_named() -> None:
    with pytest.raises(MistakeError, match=r"load_format is 'gguf'; allowed: auto, .*tensorizer"):
        selected("model.gguf", load_format="gguf")


def test_folders_that_are_left_out_are_reported_with_their_size() -> None:
    found = selected("model.safetensors", "checkpoint-1/a.bin", "checkpoint-1/b/c.json")
    assert found.left_out == {"checkpoint-1/": 20}


def test_a_tokenizer_is_downloaded_without_weights() -> None:
    found = selected(*SMALL, *SHARDS, SAFETENSORS_INDEX, "code.py", purpose="files")
    assert names(found) == {*SMALL, "code.py"}


def test_an_adapter_is_downloaded_alone() -> None:
    paths = ("adapter_config.json", "adapter_model.safetensors")
    found = selected(*SMALL, *paths, "adapter_model.bin", "model.safetensors", purpose="adapter")
    assert names(found) == {*SMALL, *paths}
    with pytest.raises(MistakeError, match="contains no LoRA adapter"):
        selected(*SMALL, "model.safetensors", purpose="adapter")


def index(folder: Path, name: str, *files: str) -> None:
    content = {"weight_map": {f"w{number}": file for number, file in enumerate(files)}}
    (folder / name).write_text(json.dumps(content))


def test_a_repository_with_both_formats_is_downloaded_in_one(tmp_path: Path) -> None:
    """Llama-2-7b-hf: exit code 2, "incomplete", after the whole download."""
    model = weights.make(tmp_path / "model", shards=2, size=1000)
    index(model, BIN_INDEX, *BINS)
    for name in BINS:
        (model / name).write_bytes(b"pickle")
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home")
        asked = " ".join(hub.requests)
    assert done.returncode == 0, done.stderr
    assert "ready: llama, 2 weight files" in done.stdout
    assert BIN_INDEX not in asked
    assert BINS[0] not in asked


def test_files_that_the_index_does_not_name_are_not_downloaded(tmp_path: Path) -> None:
    model = weights.make(tmp_path / "model", shards=2, size=1000)
    (model / "model.safetensors").write_bytes(weights.safetensors(1000, seed=9))
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home")
        assert not any("/model.safetensors bytes" in r for r in hub.requests)
    assert "2 weight files" in done.stdout


@pytest.mark.parametrize("name", [SAFETENSORS_INDEX, BIN_INDEX])
def test_an_index_of_absent_files_is_refused_before_any_weights(tmp_path: Path, name: str) -> None:
    model = weights.make(tmp_path / "model", size=300_000)
    if name == BIN_INDEX:
        (model / "model.safetensors").unlink()
    index(model, name, "model.safetensors", "pytorch_model.bin", "absent-2.bin")
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home", "--allow-pickle", "*.bin")
        assert not any("resolve" in r and ".safetensors bytes" in r for r in hub.requests)
    assert done.returncode == 2
    assert "the model is incomplete" in done.stderr
    assert "absent-2.bin" in done.stderr


def test_pth_only_costs_no_transfer(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "consolidated.00.pth").write_bytes(b"x" * 100_000)
    (model / "config.json").write_text("{}")
    with weights.hub(model) as hub:
        done = weights.run(hub.url, tmp_path / "home")
        assert not any("resolve" in r for r in hub.requests)
    assert done.returncode == 2


def test_a_folder_with_both_formats_is_whole(tmp_path: Path) -> None:
    folder = weights.make(tmp_path / "m", shards=2, size=1000)
    index(folder, BIN_INDEX, *BINS)
    assert inspect(folder).weights == 2
