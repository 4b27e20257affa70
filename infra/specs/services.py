"""Access to the API: a Service, and an Ingress if one is configured.

Ray's dashboard and job ports stay behind the head's Service, which KubeRay creates and no Ingress
names: whoever reaches these ports can run code.
"""

from collections.abc import Mapping

from infra.settings import StackSettings
from infra.settings.serve import Ingress
from infra.specs import Spec, names


def api_service(settings: StackSettings, head_labels: Mapping[str, str]) -> Spec:
    """The Service of the OpenAI API: Serve's proxy on the head. `head_labels` are the labels that
    the chosen delivery adds to a head that serves.

    The workers' proxies are not selected. Serve runs a proxy on the head and on nodes with a
    replica (ray/serve/_private/controller.py, _update_proxy_nodes); a worker that holds only a
    stage of a model is Ready without a proxy and would refuse its share of the requests. The head's
    proxy forwards to the replicas of all nodes.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(settings, names.api_service(settings)),
        "spec": {
            "type": "ClusterIP",
            "selector": {
                "app.kubernetes.io/part-of": settings.ray.name,
                names.NODE_TYPE_LABEL: "head",
                **head_labels,
            },
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
    """The Ingress of the API. ValueError if none is configured."""
    wanted = settings.serve.ingress
    if wanted is None:
        raise ValueError("no Ingress is configured; set rayline:serve.ingress.host")
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            **names.metadata(settings, names.ingress(settings)),
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
