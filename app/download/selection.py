"""Which files of a repository vLLM needs.

vLLM takes safetensors where there are any and `.bin` otherwise, from the root of the repository
(`vllm/model_executor/model_loader/default_loader.py`, `_prepare_weights`); modules of embedding
models have weights in folders of their own, which stay. Everything that is not known to be
superfluous comes too: code, tokenizers, templates and processors are small.

A Mistral repository may hold its weights twice, as `consolidated*.safetensors` and `model*`; which
of the two is loaded depends on engine arguments, so both come.
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
# For people, not for engines.
DOCUMENTS = {".gif", ".ico", ".jpeg", ".jpg", ".md", ".mp4", ".pdf", ".png", ".svg", ".webp"}
GIT = {".gitattributes", ".gitignore"}


def choose(files: Sequence[RemoteFile], source: str) -> list[RemoteFile]:
    """The files to download, smallest first: a mistake shows before hours have passed.

    Raises `MistakeError` where the repository holds no weights that vLLM loads.
    """
    paths = [PurePosixPath(file.path) for file in files]
    has_safetensors = any(len(p.parts) == 1 and p.suffix == ".safetensors" for p in paths)
    left_out = OTHER_FORMATS | DOCUMENTS | (PICKLES if has_safetensors else set())
    chosen = [
        file
        for file, path in zip(files, paths, strict=True)
        if path.suffix.lower() not in left_out
        and path.name not in GIT
        and path.parts[0].lower() not in (OTHER_FOLDERS if len(path.parts) > 1 else ())
    ]
    if not has_safetensors and not any(
        "/" not in file.path and PurePosixPath(file.path).suffix in PICKLES for file in chosen
    ):
        held = sorted({p.suffix for p in paths if p.suffix in OTHER_FORMATS})
        raise MistakeError(
            f"{source} holds no weights that vLLM loads: no *.safetensors and no *.bin"
            + (f", only {', '.join(held)}" if held else "")
            + ". Give `source` a repository with safetensors."
        )
    return sorted(chosen, key=lambda file: (file.size, file.path))
