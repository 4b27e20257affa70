"""FlashInfer's compiled kernels outlive the pod where its folder allows it."""

import errno
import fcntl
from importlib import metadata
from pathlib import Path

import pytest

from app.engine import kernels

VERSIONS = {"nvidia-cuda-nvcc": "13.0.88", "apache-tvm-ffi": "0.1.11"}


@pytest.fixture(autouse=True)
def gpu_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", VERSIONS.__getitem__)


def kept(folder: Path, **environ: str) -> dict[str, str]:
    found = {"KERNEL_CACHE": str(folder), **environ}
    kernels.keep_kernels(found)
    return found


def test_kernels_are_kept_apart_by_compiler_and_abi(tmp_path: Path) -> None:
    found = kept(tmp_path)
    workspace = Path(found["FLASHINFER_WORKSPACE_BASE"])
    assert workspace == tmp_path / "nvidia-cuda-nvcc-13.0.88-apache-tvm-ffi-0.1.11"
    assert workspace.is_dir()


def test_workers_in_other_pods_use_the_same_folder(tmp_path: Path) -> None:
    passed_on = "VLLM_RAY_EXTRA_ENV_VARS_TO_COPY"
    assert kept(tmp_path)[passed_on] == "FLASHINFER_WORKSPACE_BASE"
    assert kept(tmp_path, **{passed_on: "A"})[passed_on] == "A,FLASHINFER_WORKSPACE_BASE"


def test_the_folder_of_the_user_is_left_alone(tmp_path: Path) -> None:
    environ = {"FLASHINFER_WORKSPACE_BASE": "/mine"}
    assert kept(tmp_path, **environ) == {"KERNEL_CACHE": str(tmp_path), **environ}
    empty: dict[str, str] = {}
    kernels.keep_kernels(empty)
    assert empty == {}


def test_a_folder_that_cannot_be_written_does_not_prevent_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "file"
    file.touch()
    assert kept(file) == {"KERNEL_CACHE": str(file)}
    assert f"{file} cannot keep compiled kernels" in caplog.text


def test_a_folder_without_locks_does_not_prevent_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert kept(tmp_path) == {"KERNEL_CACHE": str(tmp_path)}


def test_an_image_without_a_compiler_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert kept(tmp_path) == {"KERNEL_CACHE": str(tmp_path)}
    assert not list(tmp_path.iterdir())
