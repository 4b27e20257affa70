"""Bills of materials in CycloneDX's form, from lock files alone.

Equal lock files give equal bytes: the serial number is derived from the content, and the time is
SOURCE_DATE_EPOCH or absent (https://reproducible-builds.org/specs/source-date-epoch/).
"""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from supply.locked import GoModule, Package
from toolchain.model import ModuleFiles, Tool

VERSION = SchemaVersion.V1_6
_ONE_OF = "pip accepts a file of this package only if its SHA-256 is one of these."


@dataclass(frozen=True)
class Image:
    """What the service's image is made of: its `base` as an image reference, the packages of its
    locked set, and Debian's packages in the base as (name, version, architecture), or None where
    they are not known."""

    base: str
    requirements: str
    packages: Sequence[Package]
    debian: Sequence[tuple[str, str, str]] | None = None


def of_program(
    version: str,
    required: Sequence[Package],
    installed: Sequence[Package],
    tools: Iterable[Tool],
    modules: Mapping[str, GoModule],
) -> str:
    """The bill of the Pulumi program: its locked packages, what `make setup` installs beside
    them (scope `optional`), and the tools with the Go modules of their builds."""
    root = _application("rayline", version)
    bom = _bom(root)
    parts = [_package(each) for each in required]
    beside = sorted(set(installed) - set(required))
    parts += [_package(each, ComponentScope.OPTIONAL) for each in beside]
    go: dict[Package, Component] = {}
    below: dict[str, list[Component]] = {}
    for folder, module in modules.items():
        below[folder] = [go.setdefault(each, _package(each)) for each in module.packages]
    for tool in tools:
        component = _application(tool.name, tool.version, ref=f"tool:{tool.name}")
        copied = (each for each in (*tool.sources, *tool.extras) if isinstance(each, ModuleFiles))
        pins = {tool.folder, *(each.pinned_in for each in copied)}
        needed = {id(c): c for folder in sorted(pins) for c in below[folder]}
        bom.components.add(component)
        bom.register_dependency(component, needed.values())
        parts.append(component)
    bom.components.update(parts)
    bom.components.update(go.values())
    bom.register_dependency(root, parts)
    return _text(bom)


def of_image(version: str, image: Image) -> str:
    """The bill of the image of head and workers, without what a base image contains and nobody
    stated."""
    root = _application("rayline-image", version, ComponentType.CONTAINER)
    bom = _bom(root)
    base = _base(image)
    parts = [base, _application("rayline-service", version, ref="service")]
    parts += [_package(each) for each in image.packages]
    bom.components.update(parts)
    bom.register_dependency(root, parts)
    debian = [_debian(*each) for each in image.debian or ()]
    bom.components.update(debian)
    bom.register_dependency(base, debian)
    root.properties.add(Property(name="rayline.dev/requirements", value=image.requirements))
    return _text(bom)


def debian_packages(status: Path) -> tuple[tuple[str, str, str], ...]:
    """Name, version and architecture of the installed packages in a copy of a base image's
    /var/lib/dpkg/status. ValueError if it names none."""
    found = set()
    for paragraph in re.split(r"\n\s*\n", status.read_text(encoding="utf-8")):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found.add((fields["Package"], fields["Version"], fields["Architecture"]))
    if not found:
        raise ValueError(
            f"{status} names no installed package. Copy it from the base image: "
            "docker run --rm <base> cat /var/lib/dpkg/status > status"
        )
    return tuple(sorted(found))


def _bom(root: Component) -> Bom:
    bom = Bom()
    bom.metadata.component = root
    return bom


def _application(
    name: str, version: str, kind: ComponentType = ComponentType.APPLICATION, ref: str = "root"
) -> Component:
    return Component(type=kind, name=name, version=version, bom_ref=ref)


def _package(package: Package, scope: ComponentScope = ComponentScope.REQUIRED) -> Component:
    purl = _purl(package)
    component = Component(
        name=package.name,
        version=package.version,
        purl=purl,
        bom_ref=purl.to_string(),
        scope=scope,
    )
    if package.hashes:
        component.external_references.add(
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(purl.to_string()),
                comment=_ONE_OF,
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=h) for h in package.hashes],
            )
        )
    if package.go_sum:
        # A hash over the names and hashes of all files (golang.org/x/mod/sumdb/dirhash), so it is
        # not the SHA-256 of any file.
        component.properties.add(Property(name="rayline.dev/go.sum", value=package.go_sum))
    return component


def _purl(package: Package) -> PackageURL:
    """https://github.com/package-url/purl-spec"""
    if package.ecosystem == "Go":
        namespace, _, name = package.name.rpartition("/")
        return PackageURL("golang", namespace or None, name, package.version)
    return PackageURL("pypi", None, package.name, package.version)


def _base(image: Image) -> Component:
    """The base image by its digest or, without one, by its tag."""
    name, _, digest = image.base.partition("@")
    path, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        path, tag = name, ""
    component = Component(
        type=ComponentType.CONTAINER, name=path, version=digest or tag or "latest", bom_ref="base"
    )
    if digest:
        component.purl = PackageURL(
            "oci", None, path.rpartition("/")[2].lower(), digest, {"repository_url": path.lower()}
        )
        component.hashes.add(
            HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))
        )
    else:
        component.properties.add(
            Property(name="rayline.dev/unpinned", value="a tag, whose content can change")
        )
    if image.debian is None:
        component.properties.add(
            Property(name="rayline.dev/unknown", value="the packages of the base image")
        )
    return component


def _debian(name: str, version: str, architecture: str) -> Component:
    purl = PackageURL("deb", None, name, version, {"arch": architecture})
    return Component(name=name, version=version, purl=purl, bom_ref=purl.to_string())


def _text(bom: Bom) -> str:
    content = json.loads(make_outputter(bom, OutputFormat.JSON, VERSION).output_as_string())
    for each in ("serialNumber", "metadata.timestamp"):
        holder, _, key = each.rpartition(".")
        (content[holder] if holder else content).pop(key, None)
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        moment = datetime.fromtimestamp(int(epoch), UTC)
        content["metadata"]["timestamp"] = moment.isoformat()
    canonical = json.dumps(content, sort_keys=True)
    content["serialNumber"] = uuid5(NAMESPACE_URL, canonical).urn
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
