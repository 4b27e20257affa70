"""KubeRay's CRDs: applied by version, apart from Helm, which installs CRDs once and never again."""

from infra.crds.resource import CustomResourceDefinitions

__all__ = ["CustomResourceDefinitions"]
