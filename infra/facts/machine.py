"""Reads what the rules need from this machine, so that the rules themselves stay pure."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.facts import hub_cache
from infra.facts.model_facts import ModelFacts
from infra.settings import StackSettings
from infra.settings.models import Model

REQUIREMENTS = Path(__file__).parents[2] / "requirements"
_PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Facts:
    """`models`: facts about a model's files, by `model_key`. `locked`: version by package of the
    image's requirements. `pip_config_found`: whether image.pipConfig is a readable file.
    `authorities`: the content of network.caFile; None if it is not a readable file."""

    models: Mapping[tuple[str, str | None], ModelFacts] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    pip_config_found: bool = True
    authorities: str | None = None

    def of(self, model: Model) -> ModelFacts:
        """Facts about one model; empty if nothing is known."""
        return self.models.get(model_key(model), ModelFacts())


def model_key(model: Model) -> tuple[str, str | None]:
    """Identity of a model's files: source and revision."""
    return model.source, model.revision


def gather(settings: StackSettings, environ: Mapping[str, str] | None = None) -> Facts:
    """Facts from the local Hugging Face cache and the locked requirements. Uses no network."""
    folder = hub_cache.folder(os.environ if environ is None else environ)
    return Facts(
        models={model_key(model): hub_cache.read(folder, model) for model in settings.models},
        locked=_locked(settings),
        pip_config_found=_readable(settings.image.pip_config),
        authorities=text_of(settings.network.ca_file),
    )


def _locked(settings: StackSettings) -> dict[str, str]:
    if settings.image.ref is not None:  # built elsewhere, from requirements that are unknown here
        return {}
    try:
        text = (REQUIREMENTS / settings.image.requirements).read_text()
    except OSError:
        return {}
    return dict(_PIN.findall(text))


def _readable(path: str | None) -> bool:
    return path is None or os.access(Path(path).expanduser(), os.R_OK)


def text_of(path: str | None) -> str | None:
    """The content of a file of this machine; None if there is none, or no text in it."""
    try:
        return None if path is None else Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
