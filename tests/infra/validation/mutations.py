"""Stacks with random mistakes: prod and the small stack, with one to three values changed.

`mutation(number)` is the same for the same number.
"""

import copy
import random
from collections.abc import Mapping
from typing import Any

from infra.facts.model_facts import ModelFacts
from infra.rules import Facts
from infra.rules.environment import MODEL_VARIABLES, OTHER_VARIABLES
from infra.rules.ports import TAKEN
from infra.rules.routes import OWN_SEGMENTS
from infra.rules.sources import REFUSED_ARGUMENTS, TYPED_ARGUMENTS
from infra.settings import SCHEMA
from infra.settings.secret_keys import SECRET_KEYS
from tests.stacks import REVISION, Location, committed, complete, locations, put, remove, values

LOCATIONS = list(locations())
HASH, KEY = "0" * 96, "k" * 64
NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 24, 64, 65536, 2**31, 2**63, 10**30, 0.5, 1.1, 1e-9, 1e300,
    float("inf"), float("nan"), "", " ", "0", "-1", "true", "a", "A", "a b", "a.b", "a..b", "-a",
    "a-", "a/b", "a/b/c", "a_b", "a:b", "x" * 64, "x" * 300, "é", "a\nb", "a\x00b", "a\x1bb",
    "'", '"', "a'b", 'a"b', "a\\", "$(x)", "<x>", "*.example.com", "https://a.example.com",
    "http://a:99999/", "a.example.com:443", "10.0.0.1", "cpu", "memory", "pods", "hugepages-2Mi",
    "kubernetes.io/x", "gpu=true:NoSchedule", "500m", "1.5Gi", "24 GB", "8gb", "1e3", "1Ki", "1E",
    "99999999Ti", "1.10", "latest", "main", "fp16", "[]", "{}", [], {}, [1], ["a"], [[]], [{}],
    {"a": 1}, {"a": {}}, {"a b": "c"}, {"": ""}, {"x" * 254 + "/a": "b"}, {"a": True}, {"a": 1.1},
    {"a": "x" * 64}, {"ray.io/group": "x"}, {"cpu": 1}, {"memory": 24}, {"host": "a.b"},
    {"name": "a"}, [{"key": ""}, {"key": "a", "value": "b c"}], [{"effect": "x"}],
)  # fmt: skip
PORTS = (8000, 8080, 8081, 80, *TAKEN)
NAMES = (
    "", "a", "A", "a.b", "a-b.c", "a_b", "A_b.C-d", "1", "1.2", "x" * 63, "x" * 64,
    ".".join(["x" * 60] * 4),
    "a/b", "a.b/C", "A.b/c", "a..b", "-a", "a-", "a.", ".a", "x.1", "127.0.0.1", "é", "xn--a",
)  # fmt: skip
"""Texts at the border of what names, labels and hosts may be."""
# By the last part of a key: values that a rule looks at.
TELLING: Mapping[str, tuple[Any, ...]] = {
    "name": ("head", "headgroup", "cpu", "gpu", "memory", "big", "one", "One", "alice", "Alice"),
    "gpuGroup": ("big", "spare", "rtx-3060", "rtx-3090", "rtx", "none"),
    "role": ("admin", "user", "guest", "usr", "boss"),
    "port": PORTS,
    "metricsPort": PORTS,
    "route": ("/", "/one", "/ONE", "/one/", "/a//b", "/a/../b", "/-/x",
        *(f"/{s}" for s in OWN_SEGMENTS)),
    "source": ("owner/one", "owner", "/data/model-cache/x", "/data/x",
        "/data/model-cache/../x", "a/b/c", "owner/x-AWQ"),
    "revision": (REVISION,),
    "dtype": ("auto", "float16", "bfloat16", "float32"),
    "device": ("gpu", "cpu"),
    "builder": ("buildx", "docker"),
    "delivery": ("restApi", "rayService"),
    "version": ("2.51.0", "2.60.0", "1.5.0", "1.6.2", "9.9.9"),
    "base": (
        "rayproject/ray:2.60.0-py311-cu128", "rayproject/ray:2.59.0-py310-cu128",
        "rayproject/ray:2.60.0-py311-cpu", "rayproject/ray:2.60.0-py311", "own:1",
    ),
    "repository": ("registry.example.com/a", "registry.example.com/a:1", "https://a/b",
        "me/ray", "A/B"),
    "ref": ("registry.example.com/a@sha256:" + "0" * 64,),
    "image": ("quay.io/a/b:v1", "quay.io/a/b"),
    "memory": ("1Mi", "4G", "12G", "24G", "1000G"),
    "cpu": ("1", "8", "16", "100", "0.5"),
    "sharedMemory": ("1Gi", "24G", "100Gi"),
    "workers": (1, 2, 5),
    "count": (0, 1, 2, 8),
    "enabled": (True, False),
    "replicas": (1, 2, 3, 50),
    "tensorParallel": (1, 2, 3, 4, 8),
    "pipelineParallel": (1, 2, 3, 8),
    "cpus": (0.5, 1, 9, 100),
    "memoryGib": (1, 8, 12, 24, 80),
    "weightsGib": (0.1, 10, 60, 500),
    "kvKibPerToken": (1, 100, 100_000),
    "maxModelLen": (1, 4096, 32768, 1_000_000),
    "cpuOffloadGb": (0, 5, 100),
    "gpuMemoryUtilization": (0.1, 0.9, 1),
    "env": tuple(
        {name: "x"} for name in (*MODEL_VARIABLES, *OTHER_VARIABLES, "A_TOKEN", "API_KEY", "OK")
    ),
    "labels": ({"ray.io/x": "a"}, {"component": "same"}, {"app.kubernetes.io/part-of": "x"}),
    "annotations": ({"ray.io/ft-enabled": "true"}, {"a": "b"}),
    "engineArgs": (
        *({name: 1} for name in (*TYPED_ARGUMENTS, *REFUSED_ARGUMENTS, "ssl_x", "hf_token")),
        {"kv-cache-dtype": "fp8"}, {"a-b": 1, "a_b": 2}, {"--dtype": "float16"},
        {"quantization": "awq"},
    ),
    "spec": (
        {"hostNetwork": True}, {"hostNetwork": "x"}, {"containers": []}, {"nodeSelector": {}},
        {"tolerations": [{"operator": "Exists"}]}, {"runtimeClassName": None},
        {"containers": [{"name": "side", "image": "a"}]}, {"restartPolicy": "Never"},
        {"volumes": [{"name": "ray-logs", "hostPath": {"path": "/a"}}, {"name": "a"}]},
    ),
    "secretEnv": ({"A": {"secret": "a", "key": "b"}}, {"JWT_KEY": {"secret": "a", "key": "b"}}),
    "nodePort": (30080, 1),
    "type": ("ClusterIP", "NodePort", "LoadBalancer"),
    "values": ({"watchNamespace": []}, {"fullnameOverride": "kuberay-operator"}),
    "pipConfig": ("/none/pip.conf",),
    "tolerations": ([{"key": ""}], [{"key": "a/b", "value": ""}], [{"key": "A_b.c"}] * 2,
        [{"key": "a", "value": "b", "effect": "NoExecute"}]),
    "key": NAMES, "value": NAMES, "nodeGroup": NAMES, "nodeGroupLabel": NAMES,
    "nodeSelector": tuple({name: "x"} for name in NAMES if name),
    "claim": NAMES, "storageClass": NAMES, "secretName": NAMES, "serviceAccount": NAMES,
    "pullSecret": NAMES, "namespace": NAMES, "host": NAMES, "className": NAMES, "tlsSecret": NAMES,
    "resource": ("nvidia.com/gpu", "amd.com/gpu", "a/b", "A.b/c", "a.b/C_d", "x" * 250 + "/a",
        "nvidia.com/" + "x" * 64),
    "size": ("1Mi", "1.5Gi", "0.5Ti", "1048576Ti", "2000000Ti", 2**21, 10**19, "1.001Mi"),
    "podsReadySeconds": (1, 2592000), "downloadSeconds": (1, 2592000, 2592001),
    "drainSeconds": (1, 2592000), "endpoint": ("http://a:1/x", "https://a..b", "http://-"),
    "context": ("a b", "é", "x" * 1024),
    "buildxInstance": ("node",),
}  # fmt: skip
TELLING_LOCATIONS = [location for location in LOCATIONS if location[-1] in TELLING]
SECRETS: tuple[tuple[str, Any], ...] = (
    ("jwtKey", "plain"), ("jwtKey", {"secure": "short"}), ("jwtKey", {"secure": KEY}),
    ("jwtKey", {"secure": ""}), ("jwtPreviousKeys", "plain"), ("hubToken", {"secure": "t"}),
    ("userHashes", {"alice": {"secure": HASH}}), ("userHashes", {"alice": {"secure": "x"}}),
    ("userHashes", {"jane.doe": {"secure": HASH}}),
    ("userHashes", {"jane": {"doe": {"secure": HASH}}}),
    ("userHashes", {"jane.doe": {"secure": "x"}}), ("userHashes", {"alice": "plain"}),
    ("userHashes", "text"), ("registryUsername", "me"), ("registryPassword", {"secure": "p"}),
    ("registryPassword", "plain"), ("jwtkey", "x"), ("zzz", 1), ("modells", [{"name": "a"}]),
    ("gpugroups", "x"), ("storages", {"claim": "a", "size": "1Gi"}), ("rayToken", "plain"),
)  # fmt: skip
MISSPELT = ("tensor_parallel", "Name", "gpu_group", "zzz", "memory", "a.b", "labels", "a'b", "a\tb")

SHAPE = ModelFacts(
    weight_bytes=20 * 2**30, layers=40, heads=24, kv_heads=8, head_size=128, dtype="bfloat16",
    max_length=32768,
)  # fmt: skip


def mutation(number: int) -> tuple[dict[str, Any], Facts]:
    """A stack with one to three changes, and what is known about its models and packages."""
    dice = random.Random(number)
    whole = dice.choice((committed("prod"), committed("dev"), values(), complete(values())))
    if dice.random() < 0.2:
        another = copy.deepcopy(whole["models"][0])
        whole["models"].append(another | {"name": dice.choice(("two", another["name"]))})
    for _ in range(dice.choice((1, 1, 2, 3))):
        whole = _changed(whole, dice)
    return whole, _facts(whole, dice)


def _changed(whole: dict[str, Any], dice: random.Random) -> dict[str, Any]:
    changed = copy.deepcopy(whole)
    kind = dice.random()
    if kind < 0.1:
        key, value = dice.choice(SECRETS)
        changed[key] = copy.deepcopy(value)
        if key == "userHashes" and dice.random() < 0.5:
            changed = _put(changed, ("auth", "users", 0, "name"), "jane.doe")
        return changed
    if kind < 0.6:
        location = dice.choice(TELLING_LOCATIONS)
        return _put(changed, location, dice.choice(TELLING[str(location[-1])]))
    location = dice.choice(LOCATIONS)
    if kind < 0.7 and SCHEMA.keys_at(location):
        location = (*location, dice.choice(MISSPELT))
        return _put(changed, location, dice.choice((*NASTY, {"cpu": 1, "memory": "1G"})))
    if kind < 0.75:
        try:
            remove(changed, location)
        except (KeyError, IndexError, TypeError):
            return changed
        return changed
    return _put(changed, location, dice.choice(NASTY))


def _put(whole: dict[str, Any], location: Location, value: Any) -> dict[str, Any]:
    """Unchanged where an earlier change has left no object on the way."""
    before = copy.deepcopy(whole)
    try:
        return put(whole, location, value)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        return before


def _facts(whole: Mapping[str, Any], dice: random.Random) -> Facts:
    if dice.random() < 0.5:
        return Facts()
    models = whole.get("models")
    known: dict[tuple[str, str | None], ModelFacts] = {
        (model["source"], model.get("revision")): SHAPE
        for model in (models if isinstance(models, list) else ())
        if isinstance(model, dict) and isinstance(model.get("source"), str)
        and isinstance(model.get("revision"), str | None)
    }  # fmt: skip
    locked = dice.choice(({}, {"ray": "2.60.0", "vllm": "0.32.0"}, {"ray": "2.59.0"}))
    return Facts(models=known, locked=locked, pip_config_found=dice.random() < 0.5)


assert set(SECRET_KEYS) >= {"jwtKey", "userHashes"}


def _trap(facts: Facts | None = None, /, **changes: Any) -> tuple[dict[str, Any], Facts]:
    return values(**changes), facts or Facts()


_KNOWN = Facts(models={("owner/one", REVISION): SHAPE})
_MODEL = "models__0__"
TRAPS = [
    _trap(image__builder="docker", image__pipConfig="/a", image__buildxInstance="b"),
    _trap(**{f"{_MODEL}kvKibPerToken": None}),
    _trap(_KNOWN, **{f"{_MODEL}tensorParallel": 7}),
    _trap(gpuGroups__0__name="head", models__0__gpuGroup="head"),
    _trap(**{f"{_MODEL}gpu_group": [], f"{_MODEL}Env": {f"A{n}": "x" for n in range(9)}}),
    _trap(ray__heads={"requests": {"cpu": "1", "memory": "1Gi"}}),
    _trap(ray__env={"A": {"secure": "s"}}),
    _trap(ray__env={"1A": "x", "a'b": "x", 'a"b': "x", "a\tb": "x", "a\\": "x"}),
    _trap(gpuGroups__0__gpu__count=3, models__0__tensorParallel=2, models__0__replicas=3),
    _trap(models__0__route="/a/"),
    _trap(models__0__route="/-/a"),
    _trap(Facts(pip_config_found=False), image__pipConfig="/none"),
    _trap(operator__image="operator"),
    _trap(image__repository="https://a/b:1"),
    _trap(gpuGroups__0__gpu__count=0),
    _trap(models__0__tensorParallel=8),
    _trap(ray__labels={"ray.io/x": "a"}, ray__annotations={"ray.io/ft-enabled": "true"}),
    _trap(models__0__route="/health", models__1__route="/"),
    *(_trap(image__base=f"rayproject/ray:{tag}") for tag in ("2.59.0-py311", "2.60.0-py310")),
    _trap(gpuGroups__0__limits={"cpu": "16", "memory": "1Mi"}),
    _trap(models__0__route="/a", models__1__route="/a/b"),
    _trap(models__0__route="/models", models__1__route="/", models__1__name="health"),
    _trap(**{f"{_MODEL}revision": None}),
    *(_trap(**{f"{_MODEL}source": "owner/x-AWQ", f"{_MODEL}dtype": dtype})
      for dtype in ("bfloat16", "float32")),
    _trap(**{f"{_MODEL}engineArgs": {"port": 1, "ssl-x": 1, "hf_token": "x", "a-b": 1, "a_b": 1}}),
    _trap(**{f"{_MODEL}engineArgs": {"dtype": 1, "max-model-len": [], "enforce_eager": True}}),
    *(_trap(**{f"{_MODEL}source": source}) for source in ("/data/x", "owner")),
    _trap(image__base="rayproject/ray:2.60.0-py311-cpu"),
    _trap(gpuGroups__0__workers=1, models__0__weightsGib=60),
    _trap(models__0__aliases=["one"]),
    _trap(models__0__aliases=["x", "x", "one", "x"]),
    _trap(serve__port=8080),
    _trap(ray__version="2.56.1"),
    _trap(ray__faultTolerance={"storageClass": "rbd", "existingClaim": "a"}),
    _trap(ray__faultTolerance={"storageClass": "rbd"}, serve__delivery="rayService"),
    _trap(ray__Version=None),
    _trap(ray__metricsPort=8000),
    _trap(network__policies={"apiFrom": {"pods": [{"namespace": "a"}]}},
        monitoring__scrape="podMonitor"),
    _trap(monitoring__labels={"release": "a"}),
    _trap(ray__grafanaHost="http://a:9090", ray__prometheusHost="http://a:9090"),
    _trap(ray__grafanaIframeHost="https://grafana.example.com"),
    _trap(userHashes={"jane.doe": {"secure": "x"}}, auth__users__0__name="jane.doe"),
    _trap(gpuGroups__0__limits={"cpu": "16", "memory": 24}),
    _trap(operator__image="quay.io/a/b"),
    _trap(models__0__route="/-/x"),
    _trap(models__0__route="/health", models__1__route="/", models__1__name="two"),
    _trap(models__0__gpuGroup="none", auth__users__0__role="boss"),
    _trap(models__0__gpuGroup="spare", ray__version="2.51.0"),
    _trap(gpuGroups__0__gpu__count=0),
    _trap(models__0__name="One", models__1__name="one"),
    _trap(image__base="rayproject/ray:2.60.0-py310-cu128"),
    _trap(**{f"{_MODEL}weightsGib": None}),
    _trap(image__repository="team/ray-vllm"),
    *(_trap(network__httpProxy=proxy) for proxy in ("http://jane:x@proxy:1", "proxy:1", "socks5://p")),
    *(
        _trap(Facts(authorities=content), network__caFile="/ca.pem")
        for content in (None, "-----BEGIN PRIVATE KEY-----", "none")
    ),
    _trap(
        Facts(locked={"cuda-toolkit": "13.0.2", "ray": "2.60.0"}),
        image__base="rayproject/ray:2.60.0-py311-cu128",
    ),
    *(_trap(models__0__env={name: value}) for name, value in (
        ("GUARD_N", "2"), ("GUARD_N", "many"), ("GUARD_TOOL", "2"))),
    _trap(auth__roles={"team": {"models": ["onee"]}}),
    _trap(auth__roles={"team": {"concurrent": 999}}),
    *(_trap(models__0__engineArgs={"load_format": each}) for each in ("pt", "npcache")),
    _trap(
        models__0__source="/data/model-cache/x",
        models__0__engineArgs={"trust_remote_code": True},
    ),
    _trap(models__0__engineArgs={"hf_overrides": {"auto_map": {"AutoModel": "a/b--c.D"}}}),
    _trap(models__0__extraSources=[
        {"source": "a/b", "revision": "1" * 40}, {"source": "a/b", "revision": "2" * 40}]),
    _trap(**{f"{_MODEL}engineArgs": {"tokenizer_revision": "x", "code_revision": "main"}}),
    *(_trap(**{f"{_MODEL}engineArgs": {"tokenizer": name}}) for name in ("a/b", "tokenizer")),
    _trap(operator__values={"fullnameOverride": "x", "env": [{"name": "A_KEY", "value": "x"}]}),
    _trap(operator__values={"watchNamespace": "a"}),
    _trap(operator__values={"singleNamespaceInstall": True}),
    _trap(image__createPullSecret=True),
    _trap(storage__fixPermissions=True),
    _trap(network__policies={}),
    _trap(network__policies={"apiFrom": {"pods": [{"namespace": "a"}]}},
        serve__service={"type": "NodePort"}, ray__head__podTemplate__spec={"hostNetwork": True}),
    _trap(storage__fixPermissions=True, cluster__podSecurity="restricted"),
    _trap(cluster__createNamespace=False, cluster__podSecurity="baseline"),
    _trap(pullUsername="me", pullPassword={"secure": "p"}),
    _trap(pullUsername="me"),
    _trap(serve__service={"nodePort": 1, "loadBalancerClass": "a"}),
    _trap(ray__secretEnv={"HF_TOKEN": {"secret": "a", "key": "b"}}),
    _trap(ray__env={"A": "x"}, ray__secretEnv={"A": {"secret": "a", "key": "b"}}),
    *(
        _trap(**{f"{owner}__podTemplate__spec": copy.deepcopy(spec)})
        for owner in ("ray__head", "gpuGroups__0", "hub")
        for spec in (
            {"containers": [{"image": "a"}, {"name": "a"}], "hostNetwork": None, "$patch": "x"},
            {"containers": [{"name": name, **fields} for name in ("ray-head", "ray-worker",
                "download", "wait-gcs-ready") for fields in (
                {"image": "a", "command": ["a"], "env": [{"name": "HF_HOME", "value": "x"},
                {"name": "A_TOKEN", "value": "x"}, {"name": "OK", "value": "x"}]},)]},
            {"containers": [{"name": "side", "image": "a", "volumeMounts": [
                {"name": "none", "mountPath": "/a"}]}], "serviceAccountName": "a",
                "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 1,
                "volumes": [{"name": "model-cache", "emptyDir": {}}]},
            {"hostNetwrk": True, "dnsPolicy": 7, "tolerations": [{"key": "a"}]},
        )
    ),
]  # fmt: skip
"""Stacks that provoke the messages that few mutations do, and mistakes that users have made."""
