"""Selects the files of a repository that vLLM needs.

vLLM loads safetensors if there are any and `.bin` otherwise, from the root of the repository
(`vllm/model_executor/model_loader/default_loader.py`, `_prepare_weights`). Modules of embedding
models have weights in separate folders, which are kept. Everything that is not known to be
superfluous is downloaded too: code, tokenizers, templates and processors are small.

A Mistral repository may contain its weights twice, as `consolidated*.safetensors` and `model*`. The
engine's arguments decide which of them is loaded, so both are downloaded.
"""

from collections.abc import Sequence
from pathlib import PurePosixPath

from app.download.errors import MistakeError
from app.download.hub import RemoteFile

# The same weights for other programs.
OTHER_FORMATS = {
    *(".ckpt", ".ggml", ".gguf", ".h5", ".llamafile", ".mlmodel", ".msgpack", ".npz", ".onnx"),
    *(".onnx_data", ".ot", ".tflite"),
}
PICKLES = {".bin", ".pt", ".pth"}
OTHER_FOLDERS = {"coreml", "flax", "gguf", "metal", "onnx", "openvino", "original", "tensorrt"}
# Documents for people.
DOCUMENTS = {".gif", ".ico", ".jpeg", ".jpg", ".md", ".mp4", ".pdf", ".png", ".svg", ".webp"}
GIT = {".gitattributes", ".gitignore"}


def select(files: Sequence[RemoteFile], source: str) -> list[RemoteFile]:
    """The files to download, smallest first, so that a mistake shows early.

    Raises `MistakeError` if the repository contains no weights that vLLM loads.
    """
    paths = [PurePosixPath(file.path) for file in files]
    has_safetensors = any(len(p.parts) == 1 and p.suffix == ".safetensors" for p in paths)
    left_out = OTHER_FORMATS | DOCUMENTS | (PICKLES if has_safetensors else set())
    selected = [
        file
        for file, path in zip(files, paths, strict=True)
        if path.suffix.lower() not in left_out
        and path.name not in GIT
        and path.parts[0].lower() not in (OTHER_FOLDERS if len(path.parts) > 1 else ())
    ]
    if not has_safetensors and not any(
        "/" not in file.path and PurePosixPath(file.path).suffix in PICKLES for file in selected
    ):
        others = sorted({p.suffix for p in paths if p.suffix in OTHER_FORMATS})
        raise MistakeError(
            f"{source} contains no weights that vLLM loads: no *.safetensors and no *.bin"
            + (f", only {', '.join(others)}" if others else "")
            + ". Set `source` to a repository with safetensors."
        )
    return sorted(selected, key=lambda file: (file.size, file.path))
