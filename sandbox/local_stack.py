"""The Pulumi stack `local`: state, passphrase, and what only the sandbox knows to configure.

Everything lies in .sandbox, since it ends with the cluster; a checkout stays clean.
"""

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import operations, paths
from sandbox.images import base, system
from sandbox.node import layout, lifecycle
from sandbox.settings import Settings
from toolchain import TOOLS
from toolchain.errors import CommandError, UserError

NAME = "local"
PROJECT = paths.CHECKOUT / "Pulumi.yaml"
GIVEN = paths.CHECKOUT / "Pulumi.local.yaml"
SALT = "encryptionsalt"


def injected(settings: Settings) -> dict[str, dict[str, Any]]:
    """Parts of the configuration that name this sandbox's images, chart and builder."""
    return {
        "rayline:image": {
            "repository": f"{settings.registry}/rayline/service",
            "base": base.reference(settings.registry),
            "buildxInstance": layout.BUILDER,
        },
        "rayline:operator": {
            "version": TOOLS[system.OPERATOR.tool].version,
            "chart": str(operations.CHART),
            "repository": None,
            "image": operations.images(settings).operator,
            "crds": str(operations.CHART / "crds"),
        },
    }


def merged(
    given: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]], salt: str | None
) -> dict[str, Any]:
    """The committed stack file with the sandbox's parts, which win, and the state's salt."""
    config = dict(given.get("config") or {})
    for key, part in added.items():
        config[key] = {**(config.get(key) or {}), **part}
    whole = {**given, "config": config}
    return whole | ({SALT: salt} if salt else {})


@dataclass(frozen=True)
class LocalStack:
    """The stack with its state in `folder`, made by the `program` of a checkout."""

    folder: Path = lifecycle.STATE / "pulumi"
    program: Path = paths.CHECKOUT

    @property
    def config_file(self) -> Path:
        """The stack file that is used: Pulumi.local.yaml, completed."""
        return self.folder / "Pulumi.local.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """What `pulumi` needs for this stack, on top of the shell's environment."""
        return operations.environment() | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def prepare(self, settings: Settings) -> None:
        """State, passphrase and stack; the stack file is made anew from the committed one."""
        if not lifecycle.KUBECONFIG.exists():
            raise UserError("The sandbox is not running.", "Start it with: make sandbox")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        passphrase = self.folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        try:
            given = yaml.safe_load(GIVEN.read_text()) or {}
        except yaml.YAMLError as error:
            raise UserError(f"{GIVEN.name} is not YAML: {error}") from None
        self.write(merged(given, injected(settings), self.read().get(SALT)))
        self._create()

    def read(self) -> dict[str, Any]:
        """The stack file as it is; empty before the first time."""
        return yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}

    def write(self, content: Mapping[str, Any]) -> None:
        self.config_file.write_text(yaml.safe_dump(dict(content), sort_keys=False))

    def run(self, *arguments: str, capture: bool = False) -> "subprocess.CompletedProcess[str]":
        """Run pulumi on this stack; what it prints goes to the terminal unless `capture`."""
        given = [*arguments, "--stack", NAME]
        if arguments[0] != "stack":
            given += ["--config-file", str(self.config_file)]
        return self._pulumi(self.program, given, capture=capture)

    def up(self) -> None:
        """`pulumi up`; CommandError when it fails, which has said why itself."""
        if self.run("up", "--yes", "--skip-preview").returncode:
            raise CommandError(
                "`pulumi up` did not finish; its message is above.",
                "Correct Pulumi.local.yaml or what it names, then: make up",
            )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in plain text: never printed whole."""
        done = self.run("stack", "output", "--json", "--show-secrets", capture=True)
        if done.returncode:
            raise CommandError(f"pulumi could not read the stack's outputs: {done.stderr}")
        return dict(json.loads(done.stdout))

    def _create(self) -> None:
        """Make the stack in the state.

        Run beside a copy of Pulumi.yaml: the command writes the salt to the stack file of its
        project, and that must not be the committed one.
        """
        shutil.copy(PROJECT, self.folder / PROJECT.name)
        done = self._pulumi(self.folder, ["stack", "select", NAME, "--create"], capture=True)
        if done.returncode:
            raise CommandError(f"pulumi could not make the stack {NAME}: {done.stderr.strip()}")

    def _pulumi(
        self, folder: Path, arguments: list[str], *, capture: bool
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(operations.BIN / "pulumi"), *arguments],
            cwd=folder,
            env=os.environ | self.environment,
            text=True,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
            check=False,
        )
