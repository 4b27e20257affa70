"""What `podTemplate` may add to the pods of head, GPU groups and download Jobs.

Whatever it sets in vain is refused: a value that silently stays without effect costs more time than
one that has to be removed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.facts.machine import Facts
from infra.rules import environment
from infra.rules.pods import pod_templates
from infra.rules.registry import rule
from infra.settings import StackSettings
from infra.settings.framework.kuberay import pod_template_schema
from infra.settings.framework.kuberay.check import mistakes
from infra.settings.framework.problems import (
    Problem,
    error,
    key_path,
    listed,
    remove_command,
    set_command,
)
from infra.specs import adapted, download_job
from infra.specs.adapted import Adapted
from infra.specs.strategic_merge import Place, unmergeable

_IMAGE = "<image>"
_CONTAINERS = ("containers", "initContainers")
_KUBERAY_CONTAINER = "wait-gcs-ready"
"""The init container that KubeRay adds to workers (controllers/ray/common/pod.go)."""


@dataclass(frozen=True)
class _Subject:
    """`podTemplate` of one kind of pod. `owner` is the key that it belongs to; `pods` are what it
    is merged under, none if there is no model to download."""

    owner: Place
    template: Mapping[str, Any]
    pods: tuple[Adapted, ...]

    @property
    def is_job(self) -> bool:
        return self.owner == ("hub",)

    @property
    def own_containers(self) -> set[str]:
        """Names of rayline's containers in these pods."""
        return {
            container["name"]
            for pod in self.pods
            for kind in _CONTAINERS
            for container in pod.own["spec"].get(kind, ())
        }

    def key(self, place: Place) -> str:
        return key_path(*self.owner, "podTemplate", *place)

    def missing(self, place: Place, why: str) -> Problem:
        key = self.key(place)
        return error(key, f"is missing: {why}. Type: {set_command(key, f'<{place[-1]}>')}")

    def refused(self, place: Place, why: str, *commands: str) -> Problem:
        key = self.key(place)
        end = "" if why.endswith("?") else "."
        repair = ", then: ".join([remove_command(key), *commands])
        return error(key, f"{why}{end} Type: {repair}")


Check = Callable[[_Subject], Iterator[Problem]]


@rule
def pod_templates_add_without_replacing(settings: StackSettings, _facts: Facts) -> list[Problem]:
    """Each template can be merged, and each of its values has an effect."""
    problems: list[Problem] = []
    for subject in _subjects(settings):
        found = list(_form(subject))
        if subject.pods and not found:  # the other checks rely on the form
            for check in (_containers, _mounts, _variables, _in_vain):
                known = tuple(problem.key for problem in found)
                found += [each for each in check(subject) if not each.key.startswith(known)]
        problems += found
    return problems


def can_be_merged(settings: StackSettings) -> bool:
    """Whether every template has a form that other rules can rely on."""
    return not any(True for subject in _subjects(settings) for _problem in _form(subject))


def _subjects(settings: StackSettings) -> Iterator[_Subject]:
    """Those with a `podTemplate`. rayline's own templates do not depend on it."""
    for owner, template in pod_templates(settings):
        if template.partial:
            yield _Subject(owner, template.partial, tuple(_pods(settings, owner)))


def _pods(settings: StackSettings, owner: Place) -> list[Adapted]:
    if owner[0] == "gpuGroups":
        return [adapted.worker(settings, settings.gpu_groups[int(owner[1])], _IMAGE)]
    if owner == ("hub",):
        # A Job is placed like its model's group. Another rule refuses a group that does not exist.
        groups = {group.name for group in settings.gpu_groups}
        models = (model for model in settings.models if model.gpu_group in groups)
        return [download_job.pod(settings, model, _IMAGE) for model in models]
    return [adapted.head(settings, _IMAGE)]


def _form(subject: _Subject) -> Iterator[Problem]:
    """What cannot be merged, and what the schema of a pod template refuses."""
    known = set()
    for found in unmergeable(subject.template):
        known.add(found.place if found.lacks is None else (*found.place, found.lacks))
        if found.lacks is None:
            yield subject.refused(found.place, f"{found.reason}; podTemplate only adds")
        else:
            yield subject.missing((*found.place, found.lacks), found.reason)
    for mistake in mistakes(pod_template_schema(), subject.template):
        place, words = mistake.location, mistake.message
        is_missing = words == "is missing"
        if place in known or (is_missing and place == ("spec", "containers")):
            continue  # rayline adds the containers
        if is_missing:
            yield subject.missing(place, "Kubernetes requires it")
        else:
            # A variable may be a secret that was put in the wrong place.
            yield subject.refused(place, words.split("; ")[-1] if "env" in place else words)


def _containers(subject: _Subject) -> Iterator[Problem]:
    spec = subject.template.get("spec", {})
    if "ephemeralContainers" in spec:
        yield subject.refused(
            ("spec", "ephemeralContainers"), "is for running pods only (kubectl debug)"
        )
    if not subject.is_job and spec.get("restartPolicy", "Always") != "Always":
        yield subject.refused(
            ("spec", "restartPolicy"),
            "must be Always, because workers restart when they lose the head",
        )
    own = subject.own_containers
    for kind in _CONTAINERS:
        for number, container in enumerate(spec.get(kind, ())):
            here: Place = ("spec", kind, number)
            if container["name"] not in own and "image" not in container:
                yield subject.missing((*here, "image"), "a container of your own needs one")
            if container["name"] == _KUBERAY_CONTAINER and not subject.is_job:
                yield subject.refused(here, "has the name of a container that KubeRay adds")
            for field in ("command", "args"):
                if container["name"] in own and field in container:
                    yield subject.refused(
                        (*here, field),
                        "may not be set: KubeRay or rayline decides what this container runs. "
                        "Add an init container for what has to be done before",
                    )


def _mounts(subject: _Subject) -> Iterator[Problem]:
    """KubeRay's CRD has no such check, and the pods could not be created."""
    volumes = [volume["name"] for volume in subject.pods[0].template["spec"].get("volumes", ())]
    for kind in _CONTAINERS:
        for number, container in enumerate(subject.template.get("spec", {}).get(kind, ())):
            for index, mount in enumerate(container.get("volumeMounts", ())):
                if mount["name"] not in volumes:
                    yield subject.refused(
                        ("spec", kind, number, "volumeMounts", index),
                        f"({mount['name']}) is no volume of these pods, which have "
                        f"{listed(volumes)}. Add it to {subject.key(('spec', 'volumes'))}, or "
                        "leave it out",
                    )


def _variables(subject: _Subject) -> Iterator[Problem]:
    """Values are never repeated: one may be a secret that was put in the wrong place."""
    own = subject.own_containers
    for kind in _CONTAINERS:
        for number, container in enumerate(subject.template.get("spec", {}).get(kind, ())):
            for index, variable in enumerate(container.get("env", ())):
                here: Place = ("spec", kind, number, "env", index)
                name = str(variable["name"])
                reserved = environment.reserved(name) if container["name"] in own else None
                if reserved is not None:
                    yield subject.refused(here, f"({name}) may not be set: {reserved}")
                elif "value" in variable and environment.looks_secret(name):
                    source = (*here, "valueFrom", "secretKeyRef")
                    yield subject.refused(
                        (*here, "value"),
                        f"({name}) may not be set: its name suggests a secret, and this value is "
                        "in plain text. Put it into a Secret of the project's namespace",
                        set_command(subject.key((*source, "name")), "<secret>"),
                        set_command(subject.key((*source, "key")), "<key>"),
                    )


def _in_vain(subject: _Subject) -> Iterator[Problem]:
    seen = set()
    for each in subject.pods:
        for found in each.overruled:
            place = _removable(found.place)
            if place not in seen:
                seen.add(place)
                own = f" ({found.own})" if isinstance(found.own, int | str) else ""
                hidden = "env" in place or found.own == _IMAGE
                yield subject.refused(
                    place,
                    f"has no effect, because rayline sets it{'' if hidden else own}; "
                    f"{_instead(subject, place)}",
                )


def _removable(place: Place) -> Place:
    """The place, or the item around it that would be incomplete without it."""
    for number, part in enumerate(place):
        if part in ("env", "ports", "volumeMounts"):
            return place[: number + 2]
    return place


def _instead(subject: _Subject, place: Place) -> str:
    """What to use for a value that rayline sets."""
    owner = subject.owner
    for part in reversed(place):
        if part in _KEYS:
            return f"use {_KEYS[part]}"
        if part in _OWNER_KEYS and not subject.is_job:
            return f"use {key_path(*owner, _OWNER_KEYS[part])}"
        if part in _WORDS:
            return _WORDS[part]
    return "it needs its own value"


_KEYS: Mapping[object, str] = {
    "image": "rayline:image",
    "imagePullPolicy": "rayline:image.pullPolicy",
    "serviceAccountName": "rayline:ray.serviceAccount",
    "terminationGracePeriodSeconds": "rayline:models[].drainSeconds",
}
_OWNER_KEYS: Mapping[object, str] = {
    "runtimeClassName": "runtimeClassName",
    "priorityClassName": "priorityClassName",
    "requests": "requests",
    "limits": "limits",
    "nodeSelector": "nodeSelector",
    "nodeAffinity": "nodeGroup",
    "labels": "labels",
    "env": "env",
}
_WORDS: Mapping[object, str] = {
    "preStop": "it lets running streams finish",
    "restartPolicy": "failed attempts keep their logs that way",
    "volumes": "use another name for a volume of your own",
    "volumeMounts": "use another path for a volume of your own",
    "ports": "use another port",
}
