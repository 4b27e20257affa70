"""What the rules know beyond the configuration: gathered here, so that the rules stay pure."""

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
    """`models`: what is known about a model's files, by `model_key`. `locked`: version by package
    of the image's requirements. `pip_config_found`: image.pipConfig is a file that can be read."""

    models: Mapping[tuple[str, str | None], ModelFacts] = field(default_factory=dict)
    locked: Mapping[str, str] = field(default_factory=dict)
    pip_config_found: bool = True

    def of(self, model: Model) -> ModelFacts:
        return self.models.get(model_key(model), ModelFacts())


def model_key(model: Model) -> tuple[str, str | None]:
    return model.source, model.revision


def gather(settings: StackSettings, environ: Mapping[str, str] | None = None) -> Facts:
    """Facts from this machine: its Hugging Face cache and the locked requirements. No network."""
    folder = hub_cache.folder(os.environ if environ is None else environ)
    return Facts(
        models={model_key(model): hub_cache.read(folder, model) for model in settings.models},
        locked=_locked(settings),
        pip_config_found=_readable(settings.image.pip_config),
    )


def _locked(settings: StackSettings) -> dict[str, str]:
    if settings.image.ref is not None:  # built elsewhere, with requirements that we do not see
        return {}
    try:
        text = (REQUIREMENTS / settings.image.requirements).read_text()
    except OSError:
        return {}
    return dict(_PIN.findall(text))


def _readable(path: str | None) -> bool:
    return path is None or os.access(Path(path).expanduser(), os.R_OK)
