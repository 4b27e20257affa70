"""ServeApplications: Ray Serve's applications of one RayCluster.

Ray's `PUT /api/serve/applications/` deletes every application that its body does not name, so one
resource owns the body, which contains all models. docs/adr/0011-serve-through-the-api-server.md
"""

from infra.providers.applications.resource import ServeApplications, ServeApplicationsArgs

__all__ = ["ServeApplications", "ServeApplicationsArgs"]
