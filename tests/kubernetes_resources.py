"""What kustomize has built, to be asked: which pods a selector takes, what programs are told, where they listen."""

from collections.abc import Iterator
from typing import Any, Final

from workers.settings import PREFIX, Settings

Resource = dict[str, Any]
Resources = list[Resource]

SECRETS_DIR: Final = "/run/secrets/yidan"
CERTIFICATES: Final = {"kafka.crt", "redis.crt"}
MADE_APART: Final = {"yidan-ca"}
"""ConfigMaps that whoever installs makes: certificates of authorities."""

LOGIN: Final = frozenset({"YIDAN_KAFKA_SASL_USERNAME", "YIDAN_KAFKA_SASL_PASSWORD"})
STORE: Final = frozenset({"YIDAN_REDIS_URL"})
SECRETS: Final = {
    "yidan-operator": LOGIN,
    "yidan-worker": LOGIN | STORE,
    "yidan-views": LOGIN,
    "yidan-auditor": LOGIN | STORE,
    "yidan-quarantine": LOGIN,
    "yidan-scaler": LOGIN,
    "yidan-exporter": frozenset({"passwords.json"}),
}
"""Every secret and its keys. The runbook shows the same table to whoever makes them."""

NEVER_PLAIN: Final = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields if "password" in name} | LOGIN | STORE

SERVED: Final[dict[str, tuple[str | int, set[str]]]] = {
    "worker": ("http_port", {"/healthz", "/readyz", "/metrics"}),
    "operate": ("operate_metrics_port", {"/healthz", "/readyz", "/metrics"}),
    "watch": (9100, {"/", "/metrics"}),
    "redis-exporter": (9121, {"/health", "/metrics"}),
}
"""The port of each component's health and figures, by its setting, and the paths that it answers. A test asks the
worker for its own."""

PAGES: Final = {"operate": "operate_http_port"}
"""Ports of pages that name persons: they stand beside the others and nobody is let in to them."""


def of_kind(resources: Resources, *kinds: str) -> Iterator[Resource]:
    """Those of some kinds."""
    yield from (resource for resource in resources if resource["kind"] in kinds)


def named(resource: Resource) -> str:
    """Its kind and name."""
    return f"{resource['kind']} {resource['metadata']['name']}"


def templates(resources: Resources) -> Iterator[tuple[Resource, Resource]]:
    """Every workload with the pod that it makes."""
    for resource in of_kind(resources, "Deployment", "StatefulSet", "Job"):
        yield resource, resource["spec"]["template"]


def containers(resources: Resources) -> Iterator[tuple[Resource, Resource]]:
    """Every workload with each of its containers."""
    for resource, template in templates(resources):
        yield from ((resource, found) for found in template["spec"]["containers"])


def component(labelled: Resource) -> str:
    """Which of ours it is."""
    label: str = labelled["metadata"].get("labels", {}).get("app.kubernetes.io/component", "")
    return label


def settings(resources: Resources) -> dict[str, str]:
    """What every program is told in plain."""
    (found,) = (each for each in of_kind(resources, "ConfigMap") if "YIDAN_KAFKA_BOOTSTRAP" in each.get("data", {}))
    told: dict[str, str] = found["data"]
    return told


def matches(selector: Resource, labels: dict[str, str]) -> bool:
    """Whether a selector takes something with these labels."""
    wanted = selector.get("matchLabels", {} if "matchExpressions" in selector else selector)
    if not all(labels.get(key) == value for key, value in wanted.items()):
        return False
    return all(labels.get(asked["key"]) in asked["values"] for asked in selector.get("matchExpressions", ()))


def selected(resources: Resources, selector: Resource) -> list[Resource]:
    """The workloads whose pods it takes."""
    return [one for one, pod in templates(resources) if selector and matches(selector, pod["metadata"]["labels"])]


def port_of(resources: Resources, name: str) -> int:
    """Where a component listens, by its settings."""
    port = SERVED[name][0]
    return port if isinstance(port, int) else told_port(resources, port)


def told_port(resources: Resources, port: str) -> int:
    """What a setting of a port comes to."""
    return int(settings(resources).get(f"{PREFIX}{port.upper()}", Settings.model_fields[port].default))


def at_least(resources: Resources, workload: Resource) -> int:
    """How many pods of it there are at any time."""
    for scaled in of_kind(resources, "ScaledObject"):
        if scaled["spec"]["scaleTargetRef"]["name"] == workload["metadata"]["name"]:
            return int(scaled["spec"]["minReplicaCount"])
    return int(workload["spec"].get("replicas", 1))


def policies_of(resources: Resources, direction: str) -> Iterator[tuple[Resource, Resource]]:
    """Every policy with each of its rules of a direction."""
    for policy in of_kind(resources, "NetworkPolicy"):
        yield from ((policy, rule) for rule in policy["spec"].get(direction, ()))
