"""Queries of the sandbox's registry."""

import http.client

MANIFEST_TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def digest(reference: str) -> str | None:
    """The digest of `localhost:PORT/NAME:TAG`, or None when the registry has no such tag.

    Raises `OSError` when the registry does not answer.
    """
    host, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    connection = http.client.HTTPConnection(host, timeout=10)
    try:
        path = f"/v2/{name}/manifests/{tag}"
        connection.request("HEAD", path, headers={"Accept": MANIFEST_TYPES})
        answer = connection.getresponse()
        answer.read()
        return answer.headers["Docker-Content-Digest"] if answer.status == 200 else None
    finally:
        connection.close()
