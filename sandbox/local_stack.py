"""The Pulumi stack `local`: its state, its passphrase, and the configuration that it needs here.

Everything is in .sandbox, which is deleted with the cluster; the checkout itself stays clean.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sandbox import chart, paths, pulumi_options, shell
from sandbox.images import system
from sandbox.images.references import references
from sandbox.node import layout
from sandbox.settings import Settings
from toolchain import TOOLS
from toolchain.errors import CommandError, UserError
from toolchain.paths import CHECKOUT

NAME = "local"
PROJECT = CHECKOUT / "Pulumi.yaml"
COMMITTED = CHECKOUT / "Pulumi.local.yaml"
SALT = "encryptionsalt"


def injected(settings: Settings) -> dict[str, dict[str, Any]]:
    """The parts of the configuration that name this sandbox's images, chart and builder."""
    images = references(settings)
    return {
        "rayline:image": {
            "repository": f"{settings.registry}/rayline/service",
            "base": images.base,
            "buildxInstance": layout.BUILDER,
        },
        "rayline:operator": {
            "version": TOOLS[system.OPERATOR.tool].version,
            "chart": str(chart.FOLDER),
            "repository": None,
            "image": images.operator,
            "crds": str(chart.FOLDER / "crds"),
        },
    }


def merged(
    committed: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]], salt: str | None
) -> dict[str, Any]:
    """The committed stack file, overridden by the sandbox's parts, with the state's salt."""
    config = dict(committed.get("config") or {})
    for key, part in added.items():
        config[key] = {**(config.get(key) or {}), **part}
    whole = {**committed, "config": config}
    return whole | ({SALT: salt} if salt else {})


@dataclass(frozen=True)
class LocalStack:
    """The stack, with its state in `folder` and the program in the checkout `program`."""

    folder: Path = paths.STATE / "pulumi"
    program: Path = CHECKOUT

    @property
    def config_file(self) -> Path:
        """The stack file that Pulumi reads: the committed one, completed by `prepare`."""
        return self.folder / "Pulumi.local.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that `pulumi` needs for this stack, besides those of the process."""
        return shell.environment() | {
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self.folder / "passphrase"),
        }

    def prepare(self, settings: Settings) -> None:
        """Create state, passphrase and stack if missing; rewrite the stack file in any case."""
        if not paths.KUBECONFIG.exists():
            raise UserError("The sandbox is not running.", "Start it with: make sandbox")
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        passphrase = self.folder / "passphrase"
        if not passphrase.exists():
            passphrase.touch(mode=0o600)
            passphrase.write_text(secrets.token_urlsafe(32))
        try:
            committed = yaml.safe_load(COMMITTED.read_text()) or {}
        except yaml.YAMLError as error:
            raise UserError(
                f"{COMMITTED.name} is not valid YAML: {error}",
                f"Correct it, or restore it: git checkout {COMMITTED.name}",
            ) from None
        self.write(merged(committed, injected(settings), self.read().get(SALT)))
        self._create()

    def read(self) -> dict[str, Any]:
        """The stack file as it is; empty before the first `prepare`."""
        return yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}

    def write(self, content: Mapping[str, Any]) -> None:
        self.config_file.write_text(yaml.safe_dump(dict(content), sort_keys=False))

    def run(
        self, *arguments: str, capture: bool = False, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run Pulumi on this stack; its output goes to the terminal unless `capture` is set.

        `stdin` is its standard input; absent: the terminal's.
        """
        command = [
            *arguments,
            *pulumi_options.options(arguments, NAME, str(self.config_file)),
        ]
        # `stack rm` would delete the committed stack file, and others would edit it.
        folder = self.folder if pulumi_options.beside_state(arguments) else self.program
        return self._pulumi(folder, command, capture=capture, stdin=stdin)

    def up(self) -> None:
        """Run `pulumi up`; `CommandError` when it fails, after Pulumi has printed the reason."""
        if self.run("up", "--yes", "--skip-preview").returncode:
            raise CommandError(
                "`pulumi up` failed; the reason is above.",
                "Correct Pulumi.local.yaml or what it refers to, then repeat: make up",
            )

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs with secrets in plain text; never print all of them."""
        done = self.run("stack", "output", "--json", "--show-secrets", capture=True)
        if done.returncode:
            raise CommandError(
                f"Pulumi could not read the outputs of the stack {NAME}: {done.stderr.strip()}",
                "Deploy it first: make up",
            )
        return dict(json.loads(done.stdout))

    def _create(self) -> None:
        """Create the stack in the state.

        Runs beside a copy of Pulumi.yaml, because the command writes the salt to the stack file of
        its project, which must not be the committed one.
        """
        project = yaml.safe_load(PROJECT.read_text())
        del project["plugins"]  # their paths are relative to the checkout
        (self.folder / PROJECT.name).write_text(yaml.safe_dump(project, sort_keys=False))
        done = self._pulumi(self.folder, ["stack", "select", NAME, "--create"], capture=True)
        if done.returncode:
            raise CommandError(
                f"Pulumi could not create the stack {NAME}: {done.stderr.strip()}",
                "To begin with an empty state: make down, then make up",
            )

    def _pulumi(
        self, folder: Path, arguments: list[str], *, capture: bool, stdin: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(paths.BIN / "pulumi"), *arguments],
            cwd=folder,
            env=os.environ | self.environment,
            input=stdin,
            text=True,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,
            check=False,
        )
