"""Copies of what kustomize has built, each broken in one place, with the rule that must speak of it."""

from collections.abc import Callable
from typing import Any, Final

from tests import kubernetes_rules as rules
from tests.kubernetes_resources import Resources, of_kind
from tests.kubernetes_rules import Rule


def pick(resources: Resources, kind: str, name: str) -> Any:
    """The one resource of a kind and a name, its hash left out."""
    (found,) = (
        one
        for one in of_kind(resources, kind)
        if one["metadata"]["name"] == name or (kind == "ConfigMap" and one["metadata"]["name"].startswith(f"{name}-"))
    )
    return found


Change = Callable[[Resources], object]


def put(kind: str, name: str, path: str, value: Any = None) -> Change:
    """Sets what a path of keys and numbers leads to, with ~ for a slash in a key; None takes it away."""

    def change(resources: Resources) -> None:
        place = pick(resources, kind, name)
        *steps, last = (int(step) if step.isdigit() else step.replace("~", "/") for step in path.split("/"))
        for step in steps:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = value

    return change


POD: Final = "spec/template/spec"
MAIN: Final = f"{POD}/containers/0"

BROKEN: Final[list[tuple[Rule, Change]]] = [
    (rules.variables_are_settings, put("ConfigMap", "yidan-settings", "data/YIDAN_KAFKA_BOOSTRAP", "x:1")),
    (
        rules.variables_are_settings,
        put("Deployment", "yidan-worker", f"{MAIN}/env", [{"name": "YIDAN_GRUOP", "value": "x"}]),
    ),
    (rules.variables_are_settings, put("Deployment", "yidan-worker", f"{MAIN}/envFrom")),
    (rules.no_service_becomes_a_variable, put("Deployment", "yidan-operate", f"{POD}/enableServiceLinks")),
    (
        rules.secrets_are_referred_to_and_never_there,
        lambda all_of: all_of.append({"kind": "Secret", "metadata": {"name": "x"}}),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("ConfigMap", "yidan-settings", "data/YIDAN_REDIS_URL", "rediss://x"),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("ConfigMap", "yidan-settings", "data/YIDAN_SECRETS_DIR", "/secrets"),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("Deployment", "yidan-worker", f"{MAIN}/volumeMounts/1/mountPath", "/s"),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("Deployment", "yidan-worker", f"{MAIN}/env", [{"name": "YIDAN_REDIS_URL", "valueFrom": {}}]),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("Deployment", "yidan-operate", f"{POD}/volumes/1/secret/secretName", "yidan-worker"),
    ),
    (
        rules.secrets_are_referred_to_and_never_there,
        put("TriggerAuthentication", "yidan-scaler", "spec/secretTargetRef/0/key", "username"),
    ),
    (
        rules.what_is_mounted_is_there,
        put("Deployment", "yidan-watch", f"{POD}/volumes/0/configMap/name", "yidan-watch"),
    ),
    (rules.what_is_mounted_is_there, put("Deployment", "yidan-watch", f"{MAIN}/volumeMounts/1/name", "texts")),
    (
        rules.what_is_mounted_is_there,
        put("ConfigMap", "yidan-settings", "data/YIDAN_KAFKA_TLS_CA_FILE", "/etc/yidan/ca/ca.crt"),
    ),
    (rules.ports_are_those_that_are_served, put("ConfigMap", "yidan-settings", "data/YIDAN_HTTP_PORT", "9000")),
    (rules.ports_are_those_that_are_served, put("ConfigMap", "yidan-settings", "data/YIDAN_HTTP_HOST", "127.0.0.1")),
    (rules.ports_are_those_that_are_served, put("Service", "yidan-worker", "spec/ports/0/targetPort", "metrics")),
    (
        rules.ports_are_those_that_are_served,
        put("Service", "yidan-operate", "spec/selector/app.kubernetes.io~component", "x"),
    ),
    (
        rules.probes_ask_what_is_answered,
        put("Deployment", "yidan-worker", f"{MAIN}/livenessProbe/httpGet/path", "/livez"),
    ),
    (
        rules.probes_ask_what_is_answered,
        put("Deployment", "yidan-worker", f"{MAIN}/livenessProbe/httpGet/path", "/readyz"),
    ),
    (
        rules.probes_ask_what_is_answered,
        put("Deployment", "yidan-operate", f"{MAIN}/readinessProbe/httpGet/port", "pages"),
    ),
    (rules.probes_ask_what_is_answered, put("Deployment", "yidan-watch", f"{POD}/containers/2/readinessProbe")),
    (rules.nothing_is_killed_too_early, put("Deployment", "yidan-worker", f"{POD}/terminationGracePeriodSeconds", 30)),
    (rules.nothing_is_killed_too_early, put("ConfigMap", "yidan-settings", "data/YIDAN_DRAIN_TIMEOUT_S", "40")),
    (
        rules.nothing_is_killed_too_early,
        put("Deployment", "yidan-operate", f"{MAIN}/startupProbe/failureThreshold", 5),
    ),
    (rules.nothing_is_killed_too_early, put("Deployment", "yidan-operate", "spec/progressDeadlineSeconds", 600)),
    (rules.a_drain_of_nodes_leaves_somebody, put("PodDisruptionBudget", "yidan-worker", "spec/maxUnavailable", 2)),
    (rules.a_drain_of_nodes_leaves_somebody, put("ScaledObject", "yidan-worker", "spec/minReplicaCount", 1)),
    (rules.a_drain_of_nodes_leaves_somebody, put("Deployment", "yidan-operate", "spec/replicas", 1)),
    (
        rules.a_drain_of_nodes_leaves_somebody,
        put("PodDisruptionBudget", "yidan-operate", "spec/selector/matchLabels", {"app.kubernetes.io/name": "yidan"}),
    ),
    (
        rules.a_roll_out_takes_nothing_away_and_moves_the_group_twice,
        put("Deployment", "yidan-worker", "spec/strategy/rollingUpdate/maxSurge", 1),
    ),
    (
        rules.a_roll_out_takes_nothing_away_and_moves_the_group_twice,
        put("Deployment", "yidan-operate", "spec/strategy/rollingUpdate/maxUnavailable", 1),
    ),
    (
        rules.a_roll_out_takes_nothing_away_and_moves_the_group_twice,
        put("Deployment", "yidan-worker", f"{POD}/topologySpreadConstraints/0/matchLabelKeys"),
    ),
    (rules.scaling_follows_the_group, put("ScaledObject", "yidan-worker", "spec/maxReplicaCount", 24)),
    (rules.scaling_follows_the_group, put("ConfigMap", "yidan-settings", "data/YIDAN_PARTITIONS", "64")),
    (rules.scaling_follows_the_group, put("ConfigMap", "yidan-settings", "data/YIDAN_GROUP", "yidan-two")),
    (rules.scaling_follows_the_group, put("ConfigMap", "yidan-settings", "data/YIDAN_KAFKA_BOOTSTRAP", "x:9093")),
    (rules.scaling_follows_the_group, put("ConfigMap", "yidan-settings", "data/YIDAN_KAFKA_SASL_MECHANISM", "PLAIN")),
    (rules.scaling_follows_the_group, put("ScaledObject", "yidan-worker", "spec/fallback/replicas", 1)),
    (rules.scaling_follows_the_group, put("ScaledObject", "yidan-worker", "spec/scaleTargetRef/name", "yidan-operate")),
    (rules.scaling_follows_the_group, put("Deployment", "yidan-worker", "spec/replicas", 2)),
    (rules.scaling_follows_the_group, put("ScaledObject", "yidan-worker", "spec/cooldownPeriod", 30)),
    (
        rules.scaling_follows_the_group,
        put("ScaledObject", "yidan-worker", "spec/triggers/1/metadata/topic", "onestop.payouts.v1"),
    ),
    (
        rules.scaling_follows_the_group,
        put("ScaledObject", "yidan-worker", "spec/triggers/0/metadata/excludePersistentLag", "false"),
    ),
    (rules.images_are_pinned_and_the_same_as_in_compose, put("Job", "yidan-topics", f"{MAIN}/image", "yidan:latest")),
    (
        rules.images_are_pinned_and_the_same_as_in_compose,
        put("Job", "yidan-topics", f"{MAIN}/image", "yidan@sha256:00"),
    ),
    (
        rules.images_are_pinned_and_the_same_as_in_compose,
        put("Deployment", "yidan-watch", f"{POD}/containers/2/image", "prom/node-exporter:v1.9.0"),
    ),
    (rules.pods_have_no_rights, put("Deployment", "yidan-worker", f"{POD}/securityContext/runAsNonRoot")),
    (
        rules.pods_have_no_rights,
        put("Deployment", "yidan-worker", f"{POD}/securityContext/seccompProfile/type", "Unconfined"),
    ),
    (rules.pods_have_no_rights, put("Deployment", "yidan-worker", f"{POD}/automountServiceAccountToken", True)),
    (rules.pods_have_no_rights, put("Deployment", "yidan-worker", f"{POD}/hostNetwork", True)),
    (
        rules.pods_have_no_rights,
        put("Job", "yidan-topics", f"{POD}/volumes/0", {"name": "ca", "hostPath": {"path": "/"}}),
    ),
    (
        rules.pods_have_no_rights,
        put("Deployment", "yidan-watch", f"{POD}/containers/2/securityContext/readOnlyRootFilesystem"),
    ),
    (
        rules.pods_have_no_rights,
        put("Deployment", "yidan-watch", f"{POD}/containers/1/securityContext/capabilities/drop", []),
    ),
    (rules.everything_is_bounded, put("Deployment", "yidan-worker", f"{MAIN}/resources/limits/memory")),
    (rules.everything_is_bounded, put("Deployment", "yidan-worker", f"{MAIN}/resources/requests/cpu")),
    (rules.everything_is_bounded, put("Deployment", "yidan-worker", f"{POD}/volumes/2/emptyDir", {})),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("NetworkPolicy", "yidan-nothing", "spec/policyTypes", ["Ingress"]),
    ),
    (rules.the_network_is_closed_but_for_what_is_needed, put("NetworkPolicy", "yidan-nothing", "spec/egress", [{}])),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("ConfigMap", "yidan-settings", "data/YIDAN_TRACING", "true"),
    ),
    (rules.the_network_is_closed_but_for_what_is_needed, put("NetworkPolicy", "yidan-kafka", "spec/egress/0/to")),
    (rules.the_network_is_closed_but_for_what_is_needed, put("NetworkPolicy", "yidan-names", "spec/egress", [])),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put(
            "NetworkPolicy", "yidan-redis", "spec/podSelector", {"matchLabels": {"app.kubernetes.io/part-of": "yidan"}}
        ),
    ),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("NetworkPolicy", "yidan-prometheus", "spec/ingress/0/from", [{"namespaceSelector": {}}]),
    ),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("NetworkPolicy", "yidan-prometheus", "spec/ingress/0/ports/0/port", 8080),
    ),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("NetworkPolicy", "yidan-prometheus", "spec/ingress/0/ports/1/port", 9465),
    ),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put(
            "NetworkPolicy", "yidan-kafka", "spec/podSelector", {"matchLabels": {"app.kubernetes.io/part-of": "yidan"}}
        ),
    ),
    (rules.ports_are_those_that_are_served, put("Deployment", "yidan-operate", f"{MAIN}/ports/0/containerPort", 9465)),
    (rules.ports_are_those_that_are_served, put("Deployment", "yidan-operate", f"{MAIN}/ports/1/containerPort", 9466)),
    (
        rules.jobs_are_those_that_alerts_ask_for,
        put("ServiceMonitor", "yidan-operate", "spec/endpoints/0/port", "pages"),
    ),
    (
        rules.the_network_is_closed_but_for_what_is_needed,
        put("Job", "yidan-topics", "spec/template/metadata/labels", {"app.kubernetes.io/name": "yidan"}),
    ),
    (
        rules.jobs_are_those_that_alerts_ask_for,
        put("ServiceMonitor", "yidan-worker", "spec/endpoints/0/relabelings/0/replacement", "w"),
    ),
    (
        rules.jobs_are_those_that_alerts_ask_for,
        put("ServiceMonitor", "yidan-worker", "spec/endpoints/0/path", "/metric"),
    ),
    (
        rules.jobs_are_those_that_alerts_ask_for,
        put("ServiceMonitor", "yidan-worker", "spec/endpoints/0/port", "metrics"),
    ),
    (rules.jobs_are_those_that_alerts_ask_for, put("Service", "yidan-watch", "metadata/labels", {})),
    (
        rules.what_is_looked_up_is_read_and_says_nothing_of_persons,
        put("Deployment", "yidan-watch", f"{MAIN}/command", ["yidan"]),
    ),
    (
        rules.what_is_looked_up_is_read_and_says_nothing_of_persons,
        put("Deployment", "yidan-watch", f"{MAIN}/args", ["audit", "--textfile", "/tmp/audit.prom"]),
    ),
    (
        rules.what_is_looked_up_is_read_and_says_nothing_of_persons,
        put("Deployment", "yidan-watch", f"{POD}/containers/1/args", ["quarantine", "list"]),
    ),
]
