"""What `pulumi` is run with: the job's variables, less those that are none of its business."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ci.errors import SetupError

CHECKOUT = Path(__file__).resolve().parent.parent
TOOLS = CHECKOUT / ".venv" / "pulumi"
"""Links that `ci.tools` makes; apart from .bin, which holds all of the sandbox's."""
KUBECONFIG_CONTENT = "RAYLINE_KUBECONFIG"
COMMENT_TOKENS = ("GITHUB_TOKEN", "RAYLINE_GITLAB_TOKEN")
_BACKENDS = ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


@contextmanager
def for_pulumi(environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables of `pulumi`: no tokens for comments, no empty values (a secret that GitHub
    lacks is an empty one), the checkout's tools first on PATH, a kubeconfig from its content.

    SetupError where no backend is named or `pulumi` is missing.
    """
    made = {name: value for name, value in environ.items() if value and name not in COMMENT_TOKENS}
    if not any(made.get(name) for name in _BACKENDS):
        raise SetupError(
            f"Neither {' nor '.join(_BACKENDS)} is set: nobody knows where the stacks' state is.",
            "Set one as a secret of the job's environment: docs/ci.md, Variables.",
        )
    if "PULUMI_ACCESS_TOKEN" not in made and not any(name in made for name in _PASSPHRASES):
        # Pulumi would ask for it, and a job has nobody who answers. "" is a passphrase too.
        made["PULUMI_CONFIG_PASSPHRASE"] = ""
    folders = [str(TOOLS), str(CHECKOUT / ".bin"), str(CHECKOUT / ".venv" / "bin")]
    made["PATH"] = os.pathsep.join([*folders, made.get("PATH", os.defpath)])
    made["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    content = made.pop(KUBECONFIG_CONTENT, None)
    with tempfile.TemporaryDirectory(prefix="rayline-ci-") as folder:
        if content:
            file = Path(folder) / "kubeconfig"
            file.touch(mode=0o600)
            file.write_text(content)
            made["KUBECONFIG"] = str(file)
        yield made


def pulumi(environ: Mapping[str, str]) -> str:
    """Where `pulumi` is, by the PATH of `environ`."""
    found = shutil.which("pulumi", path=environ["PATH"])
    if found is None:
        raise SetupError("`pulumi` is not on PATH.", "Type: .venv/bin/python -m ci.tools")
    return found
