"""Everything created in the cluster, as one ComponentResource and its Args per subject.

Every component has the same constructor, `X(name, XArgs(...), opts)`. Its Args contain only what it
needs: manifests from `infra.specs`, names, time limits, or the section of its own configuration
key, but never all settings; `infra.stack` and `delivery` map settings to Args. A component whose
manifests nobody else needs may define them in its own module. Resources that Kubernetes lacks are
in `infra.providers`.
"""
