"""What the program declares is exactly what Ownership plans, marks and guards."""

from typing import Any

import pytest

from infra.providers.ownership.edits import FIXED, problems
from infra.providers.ownership.objects import key
from infra.settings import parse
from infra.specs import control_store, ownership, platform
from infra.specs.ownership import identity
from tests.infra import chart
from tests.infra.program.harness import Declared, Program, run_values
from tests.stacks import STACKS, Location, committed, complete, different, edited, leaves

STACK = "rayline.dev/stack"
CHANGES: tuple[dict[str, Any], ...] = (
    {},
    {"operator__watch": "cluster"},
    {"serve__delivery": "rayService"},
    {"cluster__createNamespace": False, "storage__existing": True, "operator__install": False},
    {"serve__ingress": {"host": "llm.example.com"}},
    {"operator__namespace": "kuberay-projects"},
)
WHOLE = committed("prod")


def manifests(program: Program) -> dict[str, Any]:
    """Metadata of every object that the program declares, by kind/name."""
    found = {}
    for resource in program.custom.values():
        if (metadata := metadata_of(resource)) is not None:
            kind = "job" if "job" in resource.inputs else resource.type.rpartition(":")[2].lower()
            found[f"{kind}/{metadata['name']}"] = metadata
    return found


def metadata_of(resource: Declared) -> Any:
    if resource.type.endswith(":DownloadJob"):
        return resource.inputs["job"]["metadata"]
    return resource.inputs.get("metadata") if resource.type.startswith("kubernetes:") else None


def planned(program: Program) -> list[dict[str, Any]]:
    return list(program["Ownership ownership"].inputs["objects"])


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: next(iter(changes), "unchanged"))
def test_every_declared_object_is_planned_and_marked(stack: str, changes: dict[str, Any]) -> None:
    program = run_values(committed(stack, **changes), {"hubToken": "hf_x"}, stack)
    declared = manifests(program)
    objects = planned(program)
    assert set(declared) == set(map(key, objects))
    for each in objects:
        assert declared[key(each)].get("namespace") == each.get("namespace")
    for name, metadata in declared.items():
        assert STACK in metadata["annotations"], name
    offered = f"clusterrole/{chart.OFFERED}"
    assert (offered in declared) == (changes.get("operator__watch") == "cluster")


def test_no_pod_template_is_marked() -> None:
    """Its hash would change, and every pod would restart."""
    program = run_values(committed("prod"))
    assert STACK not in str(program["RayCluster ray-cluster"].inputs["spec"])
    assert STACK not in str(program["DownloadJob download-Dolphin3.0"].inputs["job"]["spec"])


def test_an_adopted_object_is_never_deleted() -> None:
    everything = [key(each) for each in planned(run_values(WHOLE))]
    program = run_values(edited(WHOLE, cluster__adopt=everything))
    for resource in program.custom.values():
        if resource.type.startswith("kubernetes:") or resource.type.endswith(":DownloadJob"):
            assert resource.options.get("retainOnDelete"), resource.name


SAFE_RENAMES: dict[Location, str] = {
    ("models", 0, "name"): "a download of its own, and the weights stay in the claim",
    ("models", 0, "source"): "a download of its own, and the weights stay in the claim",
    ("models", 0, "revision"): "a download of its own, and the weights stay in the claim",
    ("models", 0, "allowPickle"): "a download of its own, and the weights stay in the claim",
    **{
        ("models", 0, "extraSources", 0, part): "a download of its own, into the same claim"
        for part in ("source", "revision", "use")
    },
    ("auth", "secretName"): "Pulumi's name of the Secret is the Secret's own",
    ("serve", "delivery"): "see infra/components/delivery.py",
    ("cluster", "createNamespace"): "namespaces stay when Pulumi deletes them",
    ("operator", "install"): "an order to remove the operator",
    **{
        ("ray", "faultTolerance", part): "an order to keep no store there, which `up` makes anew"
        for part in ("enabled", "existingClaim")
    },
    ("ray", "head", "evictable"): "an order to remove the head's budget",
    ("storage", "existing"): "the claim stays if it is protected, and else the edit is refused",
}
"""Edits after which the stack no longer has an object that it had, and why that is safe."""


def immutable(whole: dict[str, Any]) -> dict[str, Any]:
    """Every object's identity, and what Kubernetes does not change in it."""
    settings = parse(whole)
    objects = ownership.planned(
        settings, chart.objects(settings.operator.namespace), download_secret=True
    )
    found: dict[str, Any] = dict.fromkeys(f"{key(o)} in {o.get('namespace')}" for o in objects)
    claims = [platform.cache_claim(settings)]
    if control_store.own_claim(settings):
        claims.append(control_store.claim(settings))
    return found | {
        f"{name} of {claim['metadata']['name']}": value
        for claim in claims
        for name, value in claim["spec"].items()
    }


# Either `ref` or `repository` is set; neither names an object.
@pytest.mark.parametrize("location", [x for x in leaves() if x != ("image", "ref")], ids=str)
def test_an_edit_that_removes_or_replaces_an_object_is_refused_or_known_to_be_safe(
    location: Location,
) -> None:
    whole = complete(edited(WHOLE, storage__protect=True))
    changed = different(whole, location)
    before, after = immutable(whole), immutable(changed)
    gone = [name for name in before if name not in after or before[name] != after[name]]
    refused = problems(identity(parse(whole)), identity(parse(changed)))
    size = location in {("storage", "size"), ("ray", "faultTolerance", "size")}
    if gone and not size:
        assert bool(refused) != (location in SAFE_RENAMES), (location, gone)
    elif not size:
        assert not refused, location


def test_the_table_has_no_key_that_does_not_exist() -> None:
    for each in FIXED:
        assert tuple(each.key.split(".")) in leaves()


def test_a_renamed_secret_is_another_resource() -> None:
    """A replacement that fails would delete the live Secret, after the edit was taken back."""
    for resource in run_values(WHOLE, {"hubToken": "hf_x"}).custom.values():
        if resource.type.endswith(":Secret"):
            assert resource.name == resource.inputs["metadata"]["name"]
