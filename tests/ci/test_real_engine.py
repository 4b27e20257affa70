"""A preview by the real engine: the diff is for people, the counts are from its event log."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci import pulumi

ROOT = Path(__file__).parents[2]
BINARIES = os.pathsep.join([str(ROOT / ".bin"), os.environ["PATH"]])
PROGRAM = """
import json, pulumi
for name in json.load(open("names.json")):
    pulumi.ComponentResource("lab:index:Part", name)
"""

pytestmark = pytest.mark.skipif(
    not shutil.which("pulumi", path=BINARIES), reason="no pulumi: type `make tools`"
)


def test_counts_of_the_real_engine(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: lab\nruntime: {{name: python, options: {{virtualenv: '{sys.prefix}'}}}}\n"
    )
    (tmp_path / "__main__.py").write_text(PROGRAM)
    environ = {
        **os.environ,
        "PATH": BINARIES,
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
    }
    init = ["pulumi", "stack", "init", "lab", "--non-interactive"]
    subprocess.run(init, cwd=tmp_path, env=environ, check=True, capture_output=True, timeout=60)

    (tmp_path / "names.json").write_text('["a", "b"]')
    first = pulumi.preview("lab", environ, str, 120, tmp_path)
    assert first.ok, first.diff
    assert first.counts == {"create": 3}
    assert "lab:index:Part: (create)" in first.diff
    assert "\x1b" not in first.diff
    assert pulumi.up("lab", environ, str, tmp_path) == 0

    (tmp_path / "names.json").write_text('["b", "c"]')
    second = pulumi.preview("lab", environ, str, 120, tmp_path)
    assert second.counts == {"create": 1, "delete": 1, "unchanged": 2}

    (tmp_path / "names.json").write_text("broken")
    third = pulumi.preview("lab", environ, str, 120, tmp_path)
    assert (third.ok, third.counts) == (False, None)
    assert "pulumi ended with exit code" in third.diff
