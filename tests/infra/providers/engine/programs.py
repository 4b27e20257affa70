"""Runs a Pulumi program of dynamic resources under the real engine, on a backend of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[4]
BINARIES = (ROOT / ".sandbox/bin", ROOT / ".bin")


def pulumi_binary() -> str | None:
    """The engine, from the sandbox or PATH."""
    path = os.pathsep.join([*map(str, BINARIES), os.environ.get("PATH", "")])
    return shutil.which("pulumi", path=path)


@dataclass
class Program:
    """A stack whose one resource takes its arguments from args.json."""

    folder: Path
    kubeconfig: Path

    def write(self, imports: str, resource: str) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text(
            f"name: lab\nruntime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
        )
        (self.folder / "__main__.py").write_text(
            "import json, pulumi\n"
            f"{imports}\n"
            "args = json.load(open('args.json'))\n"
            f"made = {resource}\n"
        )
        self.run("stack", "init", "lab", "--non-interactive")

    def args(self, **args: Any) -> None:
        (self.folder / "args.json").write_text(json.dumps(args))

    def run(self, *command: str, fails: bool = False) -> str:
        """What the user sees."""
        binary = pulumi_binary()
        assert binary is not None
        env = {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(binary).parent), os.environ["PATH"]]),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [binary, *command],
            cwd=self.folder,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, text
        return text

    def up(self, *, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", fails=fails)

    def outputs(self) -> dict[str, Any]:
        """What the program exports."""
        return dict(json.loads(self.run("stack", "output", "--json")))

    def state(self) -> str:
        return self.run("stack", "export")
