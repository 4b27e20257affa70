"""Runs a Pulumi program under the real engine, with the plug-in and a state in its own folder."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import toolchain
from tests.apiserver.server import CONTEXT, ApiServer
from toolchain import pulumi

ROOT = Path(__file__).parents[4]
PLUGIN = ROOT / "infra/providers/plugin"
BINARIES = (ROOT / ".sandbox/bin", ROOT / ".bin")


def pulumi_binary() -> str | None:
    """The engine, from the sandbox or PATH."""
    path = os.pathsep.join([*map(str, BINARIES), os.environ.get("PATH", "")])
    return shutil.which("pulumi", path=path)


_BEGUN: dict[str, dict[Path, bytes]] = {}
"""By project: the files of a new stack, as `pulumi stack init` made them once."""


@dataclass
class Program:
    """A stack whose resource takes its arguments from args.json."""

    folder: Path
    kubeconfig: Path
    project: str = "lab"

    def write(self, imports: str, resource: str) -> None:
        (self.folder / "state").mkdir()
        (self.folder / "Pulumi.yaml").write_text(
            f"name: {self.project}\n"
            f"runtime: {{name: python, options: {{virtualenv: {sys.prefix}}}}}\n"
            f"plugins: {{providers: [{{name: rayline, path: {PLUGIN}}}]}}\n"
        )
        (self.folder / "__main__.py").write_text(
            "import json, sys\n"
            f"sys.path.insert(0, {str(ROOT)!r})\n"
            "import pulumi\n"
            f"{imports}\n"
            "args = json.load(open('args.json'))\n"
            f"made = {resource}\n"
        )
        self._begin()

    def _begin(self) -> None:
        if self.project not in _BEGUN:
            self.run("stack", "init", "lab", "--non-interactive")
            made = [self.folder / "Pulumi.lab.yaml", *(self.folder / "state").rglob("*")]
            _BEGUN[self.project] = {
                file.relative_to(self.folder): file.read_bytes() for file in made if file.is_file()
            }
        for name, content in _BEGUN[self.project].items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes(content)

    def args(self, **args: Any) -> None:
        (self.folder / "args.json").write_text(json.dumps(args))

    @property
    def environment(self) -> dict[str, str]:
        binary = pulumi_binary()
        assert binary is not None, "make tools"
        return {
            **os.environ,
            "PATH": os.pathsep.join([str(Path(binary).parent), os.environ["PATH"]]),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_STACK": "lab",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "KUBECONFIG": str(self.kubeconfig),
        }

    def run(self, *command: str, fails: bool = False) -> str:
        """What the user sees."""
        done = subprocess.run(
            ["pulumi", *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        text = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, text
        return text

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """The same without waiting, in its own process group; its output is not kept."""
        return subprocess.Popen(
            ["pulumi", *command, "--yes", "--skip-preview", "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def up(self, *, fails: bool = False) -> str:
        return self.run("up", "--yes", "--skip-preview", "--non-interactive", fails=fails)

    def outputs(self) -> dict[str, Any]:
        """What the program exports; a secret is not readable."""
        (stack,) = (
            resource
            for resource in self.deployment()["resources"]
            if resource["type"] == "pulumi:pulumi:Stack"
        )
        return dict(stack["outputs"])

    def refresh(self) -> str:
        return self.run("refresh", "--yes", "--skip-preview", "--non-interactive")

    def destroy(self) -> str:
        return self.run("destroy", "--yes", "--skip-preview", "--non-interactive")

    def state(self) -> str:
        """The file that Pulumi writes; to show it, `pulumi` would need 0.3 s of CPU."""
        return (self.folder / f"state/.pulumi/stacks/{self.project}/lab.json").read_text()

    def deployment(self) -> dict[str, Any]:
        """The `deployment` of `pulumi stack export`."""
        return dict(json.loads(self.state())["checkpoint"]["latest"] or {})

    def resource(self, kind: str) -> dict[str, Any]:
        """The one resource of a type `rayline:index:KIND` in the state."""
        (found,) = (
            resource
            for resource in self.deployment()["resources"]
            if resource["type"] == f"rayline:index:{kind}"
        )
        return dict(found)


def with_kubernetes(folder: Path, server: ApiServer) -> Program:
    """A stack that may declare Kubernetes' own objects on a real API server; skips the test where
    Pulumi's provider for them is missing."""
    found = toolchain.present(("pulumi-resource-kubernetes",))
    if found is None:
        pytest.skip("no Kubernetes provider: type `make tools`")
    pulumi.link(found, folder / "bin", folder / "home")
    return Program(folder, server.kubeconfig)


def on_the_api_server(flag: str) -> str:
    """The source of options with a provider for the API server, which has `flag` turned on."""
    place = f"context={CONTEXT!r}, cluster_identifier={CONTEXT!r}"
    provider = f"kubernetes.Provider('cluster', {place}, {flag}=True)"
    return f"pulumi.ResourceOptions(providers=[{provider}])"
