"""The API's way in: a Service, and an Ingress where one is configured.

Ray's dashboard and job ports stay behind the head's Service, which KubeRay makes and which no
Ingress names: who reaches them runs code.
"""

from infra.settings import StackSettings
from infra.settings.models import Ingress
from infra.specs import Spec, names

SERVING_LABEL = "ray.io/serve"
"""KubeRay sets it on the head of a RayService once the proxy there is healthy."""


def api_service(settings: StackSettings) -> Spec:
    """The Service of the OpenAI API, on Serve's proxy of the head.

    Not on the workers': Serve has a proxy on the head and on nodes that hold a replica
    (ray/serve/_private/controller.py, _update_proxy_nodes), and a worker that holds only a stage of
    a model is Ready and has none; one request in so many would be refused. The head's proxy leads
    to the replicas of all nodes.
    """
    selector = {
        "app.kubernetes.io/part-of": settings.ray.name,
        names.NODE_TYPE_LABEL: "head",
    }
    if settings.serve.delivery == "rayService":
        selector[SERVING_LABEL] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(settings, names.api_service(settings)),
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [
                {
                    "name": "http",
                    "port": settings.serve.port,
                    "targetPort": names.SERVE_PORT_NAME,
                }
            ],
        },
    }


def ingress(settings: StackSettings) -> Spec:
    """The Ingress of the API. ValueError when none is configured."""
    wanted = settings.serve.ingress
    if wanted is None:
        raise ValueError("no ingress is configured; set rayline:serve: {ingress: {host: ...}}")
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            **_metadata(settings, names.ingress(settings)),
            **({"annotations": dict(wanted.annotations)} if wanted.annotations else {}),
        },
        "spec": _ingress_spec(settings, wanted),
    }


def _ingress_spec(settings: StackSettings, wanted: Ingress) -> Spec:
    backend = {"service": {"name": names.api_service(settings), "port": {"name": "http"}}}
    tls = [{"hosts": [wanted.host], "secretName": wanted.tls_secret}]
    return {
        **({"ingressClassName": wanted.class_name} if wanted.class_name else {}),
        **({"tls": tls} if wanted.tls_secret else {}),
        "rules": [
            {
                "host": wanted.host,
                "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]},
            }
        ],
    }


def _metadata(settings: StackSettings, name: str) -> Spec:
    return {
        "name": name,
        "namespace": settings.cluster.namespace,
        "labels": names.managed_labels(settings),
    }
