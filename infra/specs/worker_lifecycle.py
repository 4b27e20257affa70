"""When a worker counts as started and as Ready, and how it leaves."""

from infra.settings import StackSettings
from infra.specs import Spec, names

# Of the agent that answers for the raylet: DEFAULT_DASHBOARD_AGENT_LISTEN_PORT in
# ray/_private/ray_constants.py.
AGENT_PORT = 52365
# A worker waits for a head in an init container; then it joins it within seconds. A busy node with
# a cold disk takes longer to import Ray.
RAYLET_SECONDS = 600

# KubeRay has no hook for the end of a worker. This one announces to Ray that the node is leaving.
# The deadline is 0 s because a replacement of the replica would need this pod's card, so waiting
# for one is pointless. Serve then sends no more requests here and lets streams finish for the
# model's drain time (ray/serve/_private/deployment_state.py: migrate_replicas_on_draining_nodes).
# The proxy of this worker may carry streams of other workers' replicas, and Serve ends it when they
# have ended (HAProxyManager.is_drained in ray/serve/_private/haproxy.py). The hook returns when
# neither a replica nor the proxy is left: after at least 30 s, which Serve allows its proxies to
# notice (RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S). The grace period bounds it.
#
# The head may be absent, or be replaced meanwhile, as when all pods restart together. The next
# controller does not know the proxy of a node that has no replica any more and never ends it
# (ProxyStateManager in ray/serve/_private/proxy_state.py), so the worker then only waits until no
# request is open: HAProxy has a connection to a replica for each of them, and for nothing else
# (`option http-server-close`). The announcement has no output, for which Kubernetes would wait.
# `[S]` and `[H]` keep grep from matching the command line of its own shell. KubeRay sets
# RAY_ADDRESS.
_DRAIN = """\
head() { getent hosts "${RAY_ADDRESS%:*}"; }
heard=$(head)
timeout 30 ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION \\
  --reason-message 'Kubernetes ends the pod' --deadline-remaining-seconds 0 &>/dev/null &
announcement=$!
has() { grep -qsa "ray::$1" /proc/[0-9]*/cmdline; }
head_answers() {
  [ -n "$heard" ] && [ "$(head)" = "$heard" ] &&
    timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "${RAY_ADDRESS%:*}" "${RAY_ADDRESS##*:}" \\
      2>/dev/null
}
requests_are_open() {
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
    function replica(address, port) {
      port = substr(address, length(address) - 3)
      return port >= "FIRST" && port <= "LAST"
    }
    $4 == "01" && (replica($2) || replica($3)) { found = 1 }
    END { exit !found }'
}
quiet=0
while { has '[S]erveReplica' || has '[H]AProxyManager'; } && [ $quiet -lt QUIET ]; do
  if [ "$announcement" ] && ! kill -0 "$announcement" 2>/dev/null; then
    wait "$announcement" || heard=
    announcement=
  fi
  if head_answers || requests_are_open; then quiet=0; else quiet=$((quiet + 1)); fi
  sleep 1
done
"""
# Serve gives its replicas ports of this range (RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT and MAX of
# ray/serve/_private/constants.py).
REPLICA_PORTS = (30000, 31000)
# A request that is sent again to another replica has no connection for a moment.
QUIET_SECONDS = 5


def probes(settings: StackSettings) -> Spec:
    """Started: the raylet works, which is all that a rollout waits for. Ready: Serve's proxy
    listens, so the API's Service may lead here. Serve starts it once it has applications, which
    `up` posts after the rollout. KubeRay's own readiness probe of a worker, which it adds where
    there is none, asks the raylet alone. KubeRay adds the liveness probe.

    A RayService may start a second cluster, to whose workers the Service would lead while they
    load their models, so there the application of the proxies answers (app/proxies.py).

    A worker stops to be Ready only after five failures: a node that is busy or pauses for a moment
    answers a probe late, and the Service would then lead nowhere where it is the only worker.
    """
    ready: dict[str, Spec] = {
        "restApi": {"tcpSocket": {"port": names.SERVE_PORT_NAME}},
        "rayService": {"httpGet": {"path": "/", "port": names.READY_PORT}},
    }
    return {
        "startupProbe": {
            "httpGet": {"path": "/api/local_raylet_healthz", "port": AGENT_PORT},
            "periodSeconds": 2,
            "timeoutSeconds": 2,
            "failureThreshold": RAYLET_SECONDS // 2,
        },
        "readinessProbe": {
            **ready[settings.serve.delivery],
            "periodSeconds": 2,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
    }


def drain() -> Spec:
    """The hook that Kubernetes runs before it ends the worker."""
    return {"lifecycle": {"preStop": {"exec": {"command": ["/bin/bash", "-c", drain_script()]}}}}


def drain_script() -> str:
    """The hook's bash program. The kernel's tables give ports as four hexadecimal digits."""
    first, last = (f"{port:04X}" for port in REPLICA_PORTS)
    values = {"FIRST": first, "LAST": last, "QUIET": str(QUIET_SECONDS)}
    script = _DRAIN
    for name, value in values.items():
        script = script.replace(name, value)
    return script
