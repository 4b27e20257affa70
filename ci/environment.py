"""The environment of `pulumi`: the job's variables without those that it must not read."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ci import providers
from ci.errors import SetupError
from toolchain import pulumi as toolchain_pulumi
from toolchain.paths import CHECKOUT, TOOLS_BIN, search_path

KUBECONFIG_CONTENT = "RAYLINE_KUBECONFIG"
_BACKENDS = ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@contextmanager
def for_pulumi(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables of `pulumi`, for as long as the context lasts.

    They contain no token for comments and no empty value (a CI system sets an absent secret to an
    empty text), the checkout's tools come first on PATH, and RAYLINE_KUBECONFIG has become a file.
    SetupError if no backend is known.
    """
    tokens = providers.comment_tokens()
    made = {name: value for name, value in environ.items() if value and name not in tokens}
    if not any(name in made for name in _BACKENDS) and not _logged_in(made):
        raise SetupError(
            f"Neither {' nor '.join(_BACKENDS)} is set, and nobody is logged in to a backend, so "
            "the location of the stacks' state is unknown.",
            "In a job, set one as a secret of its environment: docs/ci.md, What to set. "
            "On your machine, type: pulumi login BACKEND",
        )
    if "PULUMI_ACCESS_TOKEN" not in made and not any(name in made for name in _PASSPHRASES):
        # Pulumi would prompt for it, and nobody answers in a job. An empty passphrase is valid.
        made["PULUMI_CONFIG_PASSPHRASE"] = ""
    made["PATH"] = search_path(made, TOOLS_BIN, CHECKOUT / ".bin", CHECKOUT / ".venv" / "bin")
    made |= toolchain_pulumi.environment(made)
    content = made.pop(KUBECONFIG_CONTENT, None)
    with tempfile.TemporaryDirectory(prefix="rayline-ci-") as folder:
        if content:
            file = Path(folder) / "kubeconfig"
            file.touch(mode=0o600)
            file.write_text(content)
            made["KUBECONFIG"] = str(file)
        yield made


def _logged_in(environ: Mapping[str, str]) -> bool:
    """Whether `pulumi login` has chosen a backend on this machine."""
    folder = toolchain_pulumi.environment(environ)["PULUMI_CREDENTIALS_PATH"]
    try:
        return bool(json.loads(Path(folder, "credentials.json").read_text()).get("current"))
    except (OSError, ValueError, AttributeError):
        return False


def pulumi(environ: Mapping[str, str]) -> str:
    """Path of the first `pulumi` on the PATH of `environ`; SetupError if there is none."""
    found = shutil.which("pulumi", path=environ["PATH"])
    if found is None:
        raise SetupError("`pulumi` is not on PATH.", "Type: .venv/bin/python -m ci.tools")
    return found
