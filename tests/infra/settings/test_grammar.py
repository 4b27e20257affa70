"""Every text of the configuration has a grammar, every number bounds, every list a length."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.settings import SCHEMA, parse
from infra.settings.framework.problems import ConfigurationError, key_path
from tests.commands import advised, typed
from tests.stacks import Location, locations, values

FREE: dict[tuple[str | int, ...], str] = {
    ("models", 0, "engineArgs"): "vLLM checks its own arguments (tests/app_live)",
    ("auth", "roles"): "the service checks them",
    ("operator", "values"): "the chart's templates use them",
    **dict.fromkeys(
        (
            ("ray", "head", "podTemplate", "spec"),
            ("gpuGroups", 0, "podTemplate", "spec"),
            ("hub", "podTemplate", "spec"),
        ),
        "infra.rules.pod_template compares it with the schema of a pod",
    ),
}
"""JSON whose content has no grammar here, and who checks it."""


def parts(location: Location) -> Iterator[tuple[str, Any]]:
    """What a key may contain, as nodes of the JSON schema: itself, names, values, items."""
    node = SCHEMA.at(location)
    name = key_path(*location)
    if node.get("type") == "array":
        yield name, {**node, "items": None}
        if not SCHEMA.keys_at((*location, 0)):
            yield f"{name}[]", SCHEMA.at((*location, 0))
    elif node.get("type") == "object" and not node.get("properties"):
        names = node.get("propertyNames", {}) | {
            "pattern": next(iter(node.get("patternProperties", {})), None)
        }
        yield f"{name}: names", {"type": "string", **names}
        inner = SCHEMA.keys_at((*location, "other"))
        for key in inner:
            yield f"{name}: values.{key}", SCHEMA.at((*location, "other", key))
        if not inner:
            yield f"{name}: values", SCHEMA.at((*location, "other"))
    elif not node.get("properties"):
        yield name, node


def lacks(node: dict[str, Any]) -> str | None:
    """What is not stated about a node."""
    kind = node.get("type")
    if kind == "boolean" or "enum" in node or "const" in node:
        return None
    if kind == "string":
        return None if node.get("pattern") and node.get("maxLength") else "a grammar (Text)"
    if kind in ("integer", "number"):
        low = "minimum" in node or "exclusiveMinimum" in node
        high = "maximum" in node or "exclusiveMaximum" in node
        return None if low and high else "bounds"
    if kind == "array":
        return None if "maxItems" in node else "a length (max_length)"
    return f"a grammar for {node}"


@pytest.mark.parametrize("location", list(locations()), ids=lambda at: key_path(*at))
def test_every_key_states_what_it_may_contain(location: Location) -> None:
    if location not in FREE:
        assert {name: lacks(node) for name, node in parts(location) if lacks(node)} == {}


def test_a_key_without_a_grammar_is_noticed() -> None:
    assert lacks({"type": "string"}) == "a grammar (Text)"
    assert lacks({"type": "integer", "minimum": 1}) == "bounds"
    assert lacks({"type": "array"}) == "a length (max_length)"
    assert all(SCHEMA.at(at) for at in FREE)


def problem(**change: Any) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse(values(**change))
    (found,) = caught.value.problems
    commands = advised(found.message)
    if commands:
        parse(typed(values(**change), commands))
    else:
        assert "<" in found.message or "is wrong: " in found.message, found
    return found.key, found.message


GROUP = "gpuGroups__0__"
LONG = "x" * 64


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "cluster__namespace",
            "My_Space",
            "cluster.namespace' my-space",
        ),
        ("cluster__namespace", 7, "--type string 7"),
        ("cluster__context", "", "not empty"),
        ("cluster__context", "a\x00b", "one line"),
        ("cluster__context", "a\x9bb", "one line"),
        (f"{GROUP}tolerations", [{"key": "gpu=true:NoSchedule"}], "name or dns.prefix/name"),
        (f"{GROUP}tolerations", [{"key": "a b"}], "name or dns.prefix/name"),
        (f"{GROUP}tolerations", [{"key": "a", "value": "b c"}], " b-c"),
        (f"{GROUP}tolerations", [{"key": "", "value": "b"}], "an empty key means every taint"),
        (f"{GROUP}tolerations", [{"key": "a", "value": True}], "--type string true"),
        (f"{GROUP}nodeGroup", "two words", "two-words"),
        (f"{GROUP}nodeGroupLabel", "a/b/c", "name or dns.prefix/name"),
        (f"{GROUP}nodeSelector", {"a b": "c"}, "config rm --path"),
        (f"{GROUP}nodeSelector", {"v": 1.1}, " 1.1"),
        (f"{GROUP}labels", {"v": 1}, "--type string 1"),
        (f"{GROUP}labels", {"v": LONG}, "at most 63"),
        (f"{GROUP}labels", {"x" * 254 + "/a": "b"}, "config rm --path"),
        (f"{GROUP}env", {"A": True}, "--type string true"),
        (f"{GROUP}env", {"A": "\x00"}, "NUL"),
        (f"{GROUP}env", {"A": "2026-01-31 00:00:00 +0000 UTC"}, "A' 2026-01-31"),
        (f"{GROUP}env", {" A": "x"}, "begin with a digit"),
        (f"{GROUP}gpu__resource", "cpu", "an extended resource such as nvidia.com/gpu"),
        (f"{GROUP}gpu__resource", "hugepages-2Mi", "an extended resource"),
        (f"{GROUP}gpu__resource", "kubernetes.io/gpu", "belongs to Kubernetes"),
        (f"{GROUP}gpu__resource", "requests.nvidia.com/gpu", "belongs to Kubernetes"),
        (f"{GROUP}sharedMemory", "8 GB", " 8G"),
        (f"{GROUP}requests", {"cpu": 8, "memory": 12}, "12 means bytes"),
        (f"{GROUP}requests", {"cpu": "8Gi", "memory": "1Gi"}, "CPU cores such as 8"),
        (f"{GROUP}requests", {"cpu": 0, "memory": "1Gi"}, "from 1m"),
        (f"{GROUP}requests", {"cpu": 1, "memory": "500m"}, "with a unit"),
        (f"{GROUP}requests", {"cpu": 1, "memory": 10**30}, "with a unit"),
        (f"{GROUP}workers", 2**63, "up to 1000"),
        ("storage__size", 0, "8Gi"),
        ("storage__size", "200", " 200Gi"),
        ("storage__size", "200gb", " 200G"),
        ("storage__claim", "Cache", " cache"),
        ("storage__storageClass", "a..b", " a.b"),
        ("image__pullSecrets", ["reg_cred"], "reg-cred"),
        ("ray__secretEnv", {"A": {"secret": "Keys", "key": "a"}}, " keys"),
        ("ray__secretEnv", {"A": {"secret": "keys", "key": "a b"}}, "<key>"),
        (f"{GROUP}runtimeClassName", "NVIDIA", " nvidia"),
        (f"{GROUP}podTemplate__metadata", {"labels": {"a": "b c"}}, " b-c"),
        (f"{GROUP}podTemplate__metadata", {"annotations": {"a b": "c"}}, "config rm --path"),
        (f"{GROUP}podTemplate__metadata", {"name": "a"}, "labels, annotations"),
        (f"{GROUP}podTemplate__spec", [], "an object"),
        ("serve__service__annotations", {"a b": "c"}, "config rm --path"),
        ("serve__service__loadBalancerClass", "a b", "name or dns.prefix/name"),
        ("serve__service__loadBalancerSourceRanges", ["10.1.2.3/8"], "10.0.0.0/8"),
        ("serve__service__loadBalancerSourceRanges", ["2001:DB8::1/32"], "2001:db8::/32"),
        ("serve__service__loadBalancerSourceRanges", ["10.0.0.0"], "10.0.0.0/32"),
        ("serve__service__loadBalancerSourceRanges", ["all"], "10.0.0.0/8"),
        ("serve__ingress", {"host": "https://a.example.com"}, "without https://"),
        ("serve__ingress", {"host": "a.example.com:8443"}, "without a port"),
        ("serve__ingress", {"host": "*.example.com"}, "without *"),
        ("serve__ingress", {"host": "10.0.0.1"}, "not an IP address"),
        ("serve__ingress", {"host": "A.example.com"}, "the DNS name"),
        ("serve__ingress", {"host": "a.example.com", "className": "Nginx!"}, " nginx"),
        ("serve__ingress", {"host": "a.example.com", "tlsSecret": "a_b"}, " a-b"),
        ("serve__ingress", {"host": "a.b", "annotations": {"a b": "c"}}, "config rm --path"),
        ("serve__ingress", {"host": "a.b", "annotations": {"a": 60}}, "--type string 60"),
        ("ray__annotations", {f"a{i}": "x" * 60_000 for i in range(4)}, "bytes together"),
        ("ray__name", "Ray", " rayline"),
        ("ray__version", "2.60", "three numbers"),
        ("ray__version", 2.6, "is the number 2.6"),
        ("ray__serviceAccount", "a_b", " a-b"),
        ("ray__grafanaHost", "grafana:3000", "http://"),
        ("hub__endpoint", "https://exa mple.com", "a URL"),
        ("image__pullSecret", "a/b", " a-b"),
        ("image__base", "https://x/y:1", "an image as"),
        ("models__0__revision", "main", "40 hexadecimal digits"),
        ("models__0__name", "-a", "letter or digit"),
        ("models__0__replicas", 0, "from 1"),
        ("models__0__drainSeconds", 2**31, "up to 2592000"),
        ("timeouts__downloadSeconds", 10**18, "up to 2592000"),
        ("auth__users", [{"name": "a b"}], "letters, digits"),
        ("auth__secretName", "A", " a"),
    ],
)
def test_a_value_of_another_form_is_refused_in_words(path: str, value: Any, words: str) -> None:
    _, message = problem(**{path: value})
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster__context", "arn:aws:eks:eu-west-1:123456789012:cluster/prod"),
        ("cluster__context", "kubernetes-admin@kubernetes"),
        ("storage__storageClass", "csi.example.com"),
        ("image__pullSecret", "registry.example.com"),
        (f"{GROUP}tolerations", [{"key": ""}]),
        (f"{GROUP}tolerations", [{"key": "nvidia.com/gpu", "value": ""}]),
        (f"{GROUP}labels", {"a": "", "example.com/B_c.d": "1.10"}),
        (f"{GROUP}env", {"A": " x\n", "B": ""}),
        (f"{GROUP}gpu__resource", "nvidia.com/mig-1g.5gb"),
        (f"{GROUP}gpu__resource", "gpu.intel.com/i915"),
        (f"{GROUP}requests", {"cpu": 0.5, "memory": 2**30}),
        (f"{GROUP}requests", {"cpu": "250m", "memory": "1.5Gi"}),
        ("ray__annotations", {"a": "line\nline", "b/C": ""}),
        ("ray__grafanaHost", "http://grafana.monitoring:3000"),
        ("hub__endpoint", "http://mirror.example.com:8080/hf"),
        ("image__base", "registry.example.com:5000/a/b_c:1.2-x"),
        ("models__0__revision", "0" * 40),
    ],
)
def test_what_kubernetes_accepts_is_accepted(path: str, value: Any) -> None:
    parse(values(**{path: value}))


def test_white_space_of_values_is_kept_where_it_may_be_meant() -> None:
    parsed = parse(values(ray__env={"A": " x "}, ray__annotations={"a": "x\n"}))
    assert (parsed.ray.env, parsed.ray.annotations) == ({"A": " x "}, {"a": "x\n"})
