"""PodRollout: replaces running Ray pods whose template changed, and waits until all are Ready.

KubeRay leaves running pods alone when a template of the RayCluster changes.
docs/adr/0008-pods-follow-their-template.md
"""

from infra.providers.rollout.resource import PodRollout, PodRolloutArgs

__all__ = ["PodRollout", "PodRolloutArgs"]
