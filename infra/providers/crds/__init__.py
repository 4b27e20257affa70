"""KubeRay's CRDs: applied by version, apart from Helm, which installs CRDs once and never again."""
