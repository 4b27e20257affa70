"""Selects the files of a repository that vLLM needs.

The model's own weights are in one format in the root of the repository (`app.download.formats`).
Modules beside them have weights in folders of their own (`2_Dense`, `speech-lora`), which stay, and
so does everything that is not known to be superfluous: code, tokenizers, templates and processors
are small. Checkpoints of the training, and the same weights for other programs, do not.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from app.download import formats
from app.download.errors import MistakeError
from app.download.pickles import LOADED as PICKLES
from app.download.pickles import NONE, OTHERS, Allowed
from app.download.remote import RemoteFile

Purpose = Literal["model", "adapter", "files"]
"""What a repository is for: a model with its weights, a LoRA adapter, or configuration, tokenizer
and code without weights."""

# The same weights for other programs.
OTHER_FORMATS = {
    *(".caffemodel", ".ckpt", ".engine", ".ggml", ".gguf", ".h5", ".keras", ".llamafile"),
    *(".mlmodel", ".mnn", ".msgpack", ".nemo", ".npz", ".onnx", ".onnx_data", ".ot", ".pb"),
    *(".pdiparams", ".pdparams", ".plan", ".pth", ".rknn", ".task", ".tflite", ".zip"),
}
WEIGHTS = {".safetensors", ".tensors", *PICKLES}
OTHER_FOLDERS = {
    *("coreml", "exl2", "flax", "ggml", "gguf", "metal", "mlx", "onnx", "openvino", "original"),
    *("saved_model", "tensorrt", "tf", "runs", ".cache", ".git"),
}
# Names that the Trainer of Transformers, DeepSpeed, Megatron and Lightning give to checkpoints.
CHECKPOINT = re.compile(
    r"(checkpoint|ckpt|global[-_]?step|step|iter|iteration|epoch)s?([-_=]?\d+.*)?|"
    r"(last|best)[-_](checkpoint|model)|.*[-_]checkpoint[-_]\d+",
    re.IGNORECASE,
)
# Documents for people.
DOCUMENTS = {".gif", ".ico", ".jpeg", ".jpg", ".md", ".mp4", ".pdf", ".png", ".svg", ".webp"}
GIT = {".gitattributes", ".gitignore"}


@dataclass(frozen=True)
class Selection:
    """The files to download, smallest first within each part.

    `described` come first: what they say decides which of `weights` are needed, and whether any is
    worth its transfer. `left_out` maps folders that are omitted to their size in bytes.
    """

    described: list[RemoteFile]
    weights: list[RemoteFile]
    format: formats.Format | None
    left_out: Mapping[str, int]


def select(
    files: Sequence[RemoteFile],
    source: str,
    load_format: str = "auto",
    purpose: Purpose = "model",
    allowed: Allowed = NONE,
) -> Selection:
    """The files to download, by name alone. Pickles that only a model's own code loads are left
    out unless they are `allowed`; whether the others are is asked of `Allowed.require`.

    Raises `MistakeError` if the repository contains no weights that vLLM loads with `load_format`,
    unless `purpose` needs none.
    """
    by_folder: dict[PurePosixPath, list[RemoteFile]] = defaultdict(list)
    for file in files:
        by_folder[PurePosixPath(file.path).parent].append(file)
    root = [file.path for file in by_folder[PurePosixPath(".")]]
    form = formats.chosen(root, load_format)
    if purpose == "model" and form is None and formats.order(load_format):
        raise MistakeError(_no_weights(source, [file.path for file in files], load_format))
    if purpose == "adapter" and not any(_is_adapter(name) for name in root):
        raise MistakeError(
            f"{source} contains no LoRA adapter: no adapter_model.safetensors and no "
            "adapter_model.bin in its root"
        )
    superfluous = {
        path for path, content in by_folder.items() if _has_training_state(path, content)
    }
    kept: list[RemoteFile] = []
    left_out: dict[str, int] = defaultdict(int)
    for folder, content in by_folder.items():
        if any(each in superfluous for each in (folder, *folder.parents)) or _is_other(folder):
            left_out[f"{folder.parts[0]}/"] += sum(file.size for file in content)
            continue
        here = _Folder(folder, content, form, purpose)
        kept += [
            file
            for file in content
            if here.keeps(PurePosixPath(file.path)) or _is_other_pickle(file.path, allowed)
        ]
    ordered = sorted(kept, key=lambda file: (file.size, file.path))
    return Selection(
        described=[file for file in ordered if not _is_weight(file)],
        weights=[file for file in ordered if _is_weight(file)],
        format=form if purpose == "model" else None,
        left_out=left_out,
    )


class _Folder:
    """Decides about the files of one folder of the repository."""

    def __init__(
        self,
        folder: PurePosixPath,
        content: Iterable[RemoteFile],
        form: formats.Format | None,
        purpose: Purpose,
    ) -> None:
        names = [PurePosixPath(file.path).name for file in content]
        self._is_root = not folder.parts
        self._format = form if self._is_root else formats.chosen(names, "hf")
        self._has_safetensors = any(name.endswith(".safetensors") for name in names)
        self._purpose = purpose

    def keeps(self, path: PurePosixPath) -> bool:
        """Whether a file of this folder is downloaded."""
        name, suffix = path.name, path.suffix.lower()
        if name in GIT or suffix in OTHER_FORMATS | OTHERS | DOCUMENTS:
            return False
        if formats.is_training_state(name):
            return False
        if suffix in WEIGHTS:
            return self._keeps_weights(name, suffix)
        return name not in formats.INDEXES or (
            self._purpose == "model" and self._format is not None and name == self._format.index
        )

    def _keeps_weights(self, name: str, suffix: str) -> bool:
        if self._purpose == "files":
            return False
        if _is_adapter(name):
            # vLLM would load it as weights of the model, from the root.
            same = suffix == ".safetensors" or not self._has_safetensors
            return same and (self._purpose == "adapter" or not self._is_root)
        if self._purpose == "adapter" or self._format is None:
            return False
        if not self._is_root and formats.CONSOLIDATED.matches(name):
            return False  # vLLM would look for Mistral's format, wherever it finds such a name
        # A head beside the main weights, which vLLM loads by its name: sparse_linear.pt of BGE-M3.
        is_head = suffix == ".pt" and not re.match(r"(pytorch_)?model|consolidated", name)
        return self._format.matches(name) or (is_head and not formats.is_other(name))


def _is_weight(file: RemoteFile) -> bool:
    return PurePosixPath(file.path).suffix.lower() in WEIGHTS


def _is_other_pickle(path: str, allowed: Allowed) -> bool:
    return PurePosixPath(path).suffix.lower() in OTHERS and path in allowed


def _is_adapter(name: str) -> bool:
    return name in {"adapter_model.safetensors", "adapter_model.bin"}


def _is_other(folder: PurePosixPath) -> bool:
    """Whether the folder's name stands for a checkpoint or another program."""
    return any(
        part.lower() in OTHER_FOLDERS
        or part.lower().endswith((".mlpackage", ".mlmodelc"))
        or CHECKPOINT.fullmatch(part)
        for part in folder.parts
    )


def _has_training_state(folder: PurePosixPath, content: Iterable[RemoteFile]) -> bool:
    """Whether the trainer's files show that the folder is a checkpoint, whatever its name."""
    names = (PurePosixPath(file.path).name for file in content)
    return bool(folder.parts) and any(map(formats.is_training_state, names))


def _no_weights(source: str, paths: Sequence[str], load_format: str) -> str:
    text = f"{source} contains no weights that vLLM loads: {formats.wanted(load_format)}"
    root = [path for path in paths if "/" not in path]
    if any(map(_is_adapter, root)):
        return (
            f"{text}, only a LoRA adapter. Set `source` to its base model, and name the adapter in "
            "`engineArgs.lora_modules` and `extraSources`."
        )
    others = sorted({PurePosixPath(p).suffix for p in paths} & OTHER_FORMATS)
    folders = sorted({p.split("/")[0] for p in paths if p.endswith((".safetensors", ".bin"))})
    if others:
        text += f", only {', '.join(others)}"
    elif folders and not any(map(formats.is_other, root)):
        text += f" in its root, only in {', '.join(f'{each}/' for each in folders[:3])}"
    if load_format != "auto":
        return f"{text}. Remove `engineArgs.load_format`, or correct it."
    return f"{text}. Set `source` to a repository with safetensors."
