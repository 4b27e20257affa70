"""Access to the API: a Service, and an Ingress if one is configured.

Ray's dashboard and job ports stay behind the head's Service, which KubeRay creates and no Ingress
names: whoever reaches these ports can run code.
"""

from infra.settings import StackSettings
from infra.settings.serve import Ingress, ServeService
from infra.specs import Spec, names

# Kubernetes assigns addresses when it creates the Service; load balancers may do so later.
UNKNOWN = "<known after up>"
PENDING = "<no address yet, type pulumi up later>"
ANY_NODE = "<address of a node>"


def api_service(settings: StackSettings) -> Spec:
    """The Service of the OpenAI API: Serve's proxies on the workers, each of which forwards to the
    replicas of all nodes.

    A worker is Ready while its proxy listens (infra.specs.worker_lifecycle), and each worker has
    one (infra.specs.serve_config). The head's proxy is left out, so that the loss of a head fails
    no request (docs/adr/0034-the-head-may-die.md).
    """
    wanted = settings.serve.service
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            **names.metadata(settings, names.api_service(settings)),
            **({"annotations": dict(wanted.annotations)} if wanted.annotations else {}),
        },
        "spec": {
            "type": wanted.type,
            "selector": {
                "app.kubernetes.io/part-of": settings.ray.name,
                names.NODE_TYPE_LABEL: "worker",
            },
            "ports": [
                {
                    "name": "http",
                    "port": settings.serve.port,
                    "targetPort": names.SERVE_PORT_NAME,
                    **({} if wanted.node_port is None else {"nodePort": wanted.node_port}),
                }
            ],
            **_load_balancer(wanted),
        },
    }


def _load_balancer(wanted: ServeService) -> Spec:
    ranges = list(wanted.load_balancer_source_ranges)
    chosen = wanted.load_balancer_class
    return {
        **({"loadBalancerClass": chosen} if chosen else {}),
        **({"loadBalancerSourceRanges": ranges} if ranges else {}),
    }


def address(
    service: Spec,
    *,
    cluster_ip: str | None,
    node_port: int | None,
    published: str = "",
) -> str:
    """host:port of an `api_service` for its clients; a placeholder for what is not known.

    `published` is the address or host name in the status of a load balancer. A node port is
    open on every node, whose addresses this program does not know.
    """
    kind, port = service["spec"]["type"], service["spec"]["ports"][0]["port"]
    if kind == "NodePort":
        return f"{ANY_NODE}:{node_port or UNKNOWN}"
    host = cluster_ip or UNKNOWN if kind == "ClusterIP" else published or PENDING
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
