"""Our own rules for `ops/kubernetes`: each says what is wrong with a list of resources, a line a fault.

They are functions of what kustomize has built, so that a test can hand each of them a broken copy and see it speak.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import yaml
from opentelemetry.sdk import environment_variables as telemetry

from contracts.topics import INPUTS
from tests.compose_rules import ROOT, drain_seconds
from tests.compose_rules import read as read_compose
from tests.kubernetes_resources import (
    CERTIFICATES,
    MADE_APART,
    NEVER_PLAIN,
    PAGES,
    SECRETS,
    SECRETS_DIR,
    SERVED,
    Resources,
    at_least,
    component,
    containers,
    matches,
    named,
    of_kind,
    policies_of,
    port_of,
    selected,
    settings,
    templates,
    told_port,
)
from workers.operations.operate import RESTORE_SECONDS_MAX
from workers.settings import PREFIX, Settings

LISTENS_SECONDS: Final = 30
"""To its health's first answer: Python starts and reads its packs, on a busy node."""

READY_SECONDS: Final = {
    "worker": 3_600,
    "operate": RESTORE_SECONDS_MAX + Settings.model_fields["start_timeout_s"].default,
}
"""What it may take until it is ready, where everything is read from its beginning."""

Rule = Callable[[Resources], Iterator[str]]

JOBS: Final = {"yidan", "yidan-operate", "yidan-watch", "yidan-redis"}


# ── what the programs are told ────────────────────────────────────────────────────────────────────────────────


def variables_are_settings(resources: Resources) -> Iterator[str]:
    """A misspelt one would end the program with 78; a number of a port must be the one that is served."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | set(vars(telemetry))
    told = settings(resources)
    for resource, container in containers(resources):
        told = {**told, **{one["name"]: one.get("value", "") for one in container.get("env", ())}}
        if container["image"].split("@")[0].split(":")[0].endswith("yidan") and not container.get("envFrom"):
            yield f"{named(resource)}: {container['name']} is told nothing"
    yield from (f"{name}: there is no such setting" for name in sorted(told) if name not in known)


def no_service_becomes_a_variable(resources: Resources) -> Iterator[str]:
    """The cluster would say YIDAN_WORKER_PORT for a Service yidan-worker, and the settings refuse it."""
    for resource, pod in templates(resources):
        if pod["spec"].get("enableServiceLinks") is not False:
            yield f"{named(resource)}: Services named yidan-… become variables YIDAN_…"


def secrets_are_referred_to_and_never_there(resources: Resources) -> Iterator[str]:
    """Passwords are files, each program has its own, and each is in the table of the runbook."""
    yield from (f"{named(resource)} is contained" for resource in of_kind(resources, "Secret"))
    for resource in of_kind(resources, "ConfigMap"):
        yield from (f"{named(resource)} shows {key}" for key in NEVER_PLAIN & set(resource.get("data", {})))
    if settings(resources).get("YIDAN_SECRETS_DIR") != SECRETS_DIR:
        yield "no program looks for its secrets"
    used: list[str] = []
    for resource, pod in templates(resources):
        volumes = {one["name"]: one["secret"]["secretName"] for one in pod["spec"]["volumes"] if "secret" in one}
        for container in pod["spec"]["containers"]:
            yield from (
                f"{named(resource)}: {one['name']} is a variable"
                for one in container.get("env", ())
                if "valueFrom" in one
            )
            mounts = [one for one in container["volumeMounts"] if one["name"] in volumes]
            if container.get("envFrom") and [one["mountPath"] for one in mounts] != [SECRETS_DIR]:
                yield f"{named(resource)}: {container['name']} has no secrets, or not where they are looked for"
            used += [volumes[one["name"]] for one in mounts]
    for resource in of_kind(resources, "TriggerAuthentication"):
        for one in resource["spec"]["secretTargetRef"]:
            used.append(one["name"])
            if one["key"] not in SECRETS.get(one["name"], ()):
                yield f"{named(resource)}: {one['name']} has no {one['key']}"
    if set(used) != set(SECRETS):
        yield f"not in the table, or not used: {sorted(set(used) ^ set(SECRETS))}"


def what_is_mounted_is_there(resources: Resources) -> Iterator[str]:
    """A ConfigMap that is missing keeps a pod from starting."""
    there = {one["metadata"]["name"] for one in of_kind(resources, "ConfigMap")} | MADE_APART
    for resource, pod in templates(resources):
        mounted = [one["configMap"]["name"] for one in pod["spec"]["volumes"] if "configMap" in one]
        mounted += [
            one["configMapRef"]["name"] for each in pod["spec"]["containers"] for one in each.get("envFrom", ())
        ]
        yield from (f"{named(resource)}: there is no ConfigMap {name}" for name in mounted if name not in there)
        names = {one["name"] for one in pod["spec"]["volumes"]}
        for one in (mount for each in pod["spec"]["containers"] for mount in each["volumeMounts"]):
            if one["name"] not in names:
                yield f"{named(resource)}: there is no volume {one['name']}"
    for variable in ("YIDAN_KAFKA_TLS_CA_FILE", "YIDAN_REDIS_TLS_CA_FILE"):
        if Path(settings(resources).get(variable, "")).name not in CERTIFICATES:
            yield f"{variable}: yidan-ca has no such key"


# ── health, ports, time ───────────────────────────────────────────────────────────────────────────────────────


def ports_are_those_that_are_served(resources: Resources) -> Iterator[str]:
    """From the monitor to the Service to the pod to the program."""
    if settings(resources).get("YIDAN_HTTP_HOST") != "0.0.0.0":
        yield "the programs listen where no probe comes"
    for resource, container in containers(resources):
        for port in container.get("ports", ()):
            served = {"pages": told_port(resources, PAGES[component(resource)])} if component(resource) in PAGES else {}
            if port["containerPort"] != served.get(port["name"], port_of(resources, component(resource))):
                yield f"{named(resource)}: nothing listens on {port['containerPort']}"
    for service in of_kind(resources, "Service"):
        found = selected(resources, service["spec"]["selector"])
        if len(found) != 1:
            yield f"{named(service)} leads to {len(found)} workloads"
        ports = {port["name"] for one, each in containers(resources) if one in found for port in each.get("ports", ())}
        yield from (
            f"{named(service)}: {one['targetPort']} leads nowhere"
            for one in service["spec"]["ports"]
            if one["targetPort"] not in ports
        )


def probes_ask_what_is_answered(resources: Resources) -> Iterator[str]:
    """Every container that serves is asked whether it lives and whether it is ready, by paths that there are."""
    for resource, container in containers(resources):
        probes = {
            kind: container[kind]["httpGet"]
            for kind in ("startupProbe", "livenessProbe", "readinessProbe")
            if kind in container
        }
        if container.get("ports") and not {"livenessProbe", "readinessProbe"} <= set(probes):
            yield f"{named(resource)}: nobody asks {container['name']}"
        for kind, asked in probes.items():
            if asked["path"] not in SERVED[component(resource)][1]:
                yield f"{named(resource)}: {kind} asks {asked['path']}, which nobody answers"
            if asked["port"] not in {port["name"] for port in container.get("ports", ())} - {"pages"}:
                yield f"{named(resource)}: {kind} asks a port without a name, or one that names persons"
        if component(resource) in ("worker", "operate") and (
            probes["livenessProbe"]["path"] != "/healthz" or probes["readinessProbe"]["path"] != "/readyz"
        ):
            yield f"{named(resource)}: started again because it is not ready, or sent work while it is not"


def nothing_is_killed_too_early(resources: Resources) -> Iterator[str]:
    """Not while it drains, and not while it reads what it must read before it answers."""
    told = settings(resources)
    for resource, pod in templates(resources):
        if component(resource) not in ("worker", "operate"):
            continue
        if pod["spec"].get("terminationGracePeriodSeconds", 30) < drain_seconds({"environment": told}) + 10:
            yield f"{named(resource)}: killed before it has drained"
        probe = pod["spec"]["containers"][0].get("startupProbe", {"periodSeconds": 0, "failureThreshold": 0})
        patience = probe["periodSeconds"] * probe["failureThreshold"]
        if patience < LISTENS_SECONDS:
            yield f"{named(resource)}: killed after {patience} s of its start, which may take {LISTENS_SECONDS}"
        if resource["spec"]["progressDeadlineSeconds"] < READY_SECONDS[component(resource)]:
            yield f"{named(resource)}: its roll-out has failed before it is ready"


# ── how many, and where ───────────────────────────────────────────────────────────────────────────────────────


def a_drain_of_nodes_leaves_somebody(resources: Resources) -> Iterator[str]:
    """One goes at a time, one at least stays, and a budget never forbids the drain itself."""
    guarded = []
    for budget in of_kind(resources, "PodDisruptionBudget"):
        found = selected(resources, budget["spec"]["selector"])
        guarded += [component(one) for one in found]
        away = budget["spec"].get("maxUnavailable")
        if len(found) != 1 or away != 1:
            yield f"{named(budget)}: guards {len(found)} workloads, lets {away} go"
        yield from (
            f"{named(one)}: {at_least(resources, one)} and {away} may go"
            for one in found
            if at_least(resources, one) < 2
        )
    if sorted(guarded) != ["operate", "worker"]:
        yield f"guarded: {guarded}"


def a_roll_out_takes_nothing_away_and_moves_the_group_twice(resources: Resources) -> Iterator[str]:
    """All new workers come at once and the old ones go at once; pods of one revision are spread."""
    for resource in of_kind(resources, "Deployment"):
        strategy, pod = resource["spec"]["strategy"], resource["spec"]["template"]["spec"]
        if component(resource) in ("watch", "redis-exporter"):  # nobody waits for them
            continue
        rolling = strategy.get("rollingUpdate", {})
        if rolling.get("maxUnavailable") != 0 or (component(resource) == "worker" and rolling["maxSurge"] != "100%"):
            yield f"{named(resource)}: rolled out by {strategy}"
        spread = {one["topologyKey"]: one for one in pod.get("topologySpreadConstraints", ())}
        if "pod-template-hash" not in spread.get("kubernetes.io/hostname", {}).get("matchLabelKeys", ()):
            yield f"{named(resource)}: all of them may be on one machine"


def scaling_follows_the_group(resources: Resources) -> Iterator[str]:
    """Never more than partitions, never fewer than two, for the topics and the brokers that the workers read."""
    told = settings(resources)
    mechanism = told["YIDAN_KAFKA_SASL_MECHANISM"].lower().replace("-", "_").replace("sha_", "sha")
    for scaled in of_kind(resources, "ScaledObject"):
        spec = scaled["spec"]
        targets = [
            one for one in of_kind(resources, "Deployment") if one["metadata"]["name"] == spec["scaleTargetRef"]["name"]
        ]
        if [component(one) for one in targets] != ["worker"] or "replicas" in targets[0]["spec"]:
            yield f"{named(scaled)}: scales nobody, or somebody whose number is also written elsewhere"
        if (
            spec["maxReplicaCount"] != int(told["YIDAN_PARTITIONS"])
            or not 2 <= spec["minReplicaCount"] <= spec["fallback"]["replicas"]
        ):
            yield f"{named(scaled)}: from {spec['minReplicaCount']} to {spec['maxReplicaCount']}"
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        if min(spec["cooldownPeriod"], down["stabilizationWindowSeconds"]) < 300:
            yield f"{named(scaled)}: each lull is two rebalances"
        triggers = [one["metadata"] for one in spec["triggers"]]
        if sorted(one["topic"] for one in triggers) != sorted(INPUTS):
            yield f"{named(scaled)}: looks at other topics than the workers"
        for one in triggers:
            same = (one["bootstrapServers"], one["consumerGroup"], one["sasl"])
            if same != (
                told["YIDAN_KAFKA_BOOTSTRAP"],
                told.get("YIDAN_GROUP", Settings.model_fields["group"].default),
                mechanism,
            ):
                yield f"{named(scaled)}: asks {same}"
            if not one["excludePersistentLag"] == one["limitToPartitionsWithLag"] == "true":
                yield f"{named(scaled)}: more workers for a partition that they cannot help"


# ── rights ────────────────────────────────────────────────────────────────────────────────────────────────────


def images_are_pinned_and_the_same_as_in_compose(resources: Resources) -> Iterator[str]:
    """A version or a digest; what compose runs too is the same one."""
    known = dict(service["image"].split(":") for service in read_compose()["services"].values())
    for resource, container in containers(resources):
        image = container["image"]
        if re.fullmatch(r"[^@]+@sha256:[0-9a-f]{64}", image):
            continue
        name, _, tag = image.partition(":")
        if known.get(name) != tag:
            yield f"{named(resource)}: {image}, and compose runs {known.get(name)}"


def pods_have_no_rights(resources: Resources) -> Iterator[str]:
    """The restricted profile of the pod security standards, and beyond: read-only, no token, nothing of the node."""
    for resource, template in templates(resources):
        pod = template["spec"]
        context = pod.get("securityContext", {})
        if (
            not context.get("runAsNonRoot")
            or not context.get("runAsUser")
            or context.get("seccompProfile") != {"type": "RuntimeDefault"}
        ):
            yield f"{named(resource)}: may run as root, or make any call"
        if pod.get("automountServiceAccountToken") is not False or pod.get("serviceAccountName") != "yidan":
            yield f"{named(resource)}: has a token for the cluster"
        if {"hostNetwork", "hostPID", "hostIPC"} & set(pod) or any("hostPath" in volume for volume in pod["volumes"]):
            yield f"{named(resource)}: reaches into its node"
    for resource, container in containers(resources):
        context = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        if container.get("securityContext") != context:
            yield f"{named(resource)}: {container['name']} has rights"


def everything_is_bounded(resources: Resources) -> Iterator[str]:
    """What is asked for is known, and memory has an end, on disks in memory too."""
    for resource, container in containers(resources):
        told = container.get("resources", {})
        if set(told.get("requests", {})) != {"cpu", "memory"} or "memory" not in told.get("limits", {}):
            yield f"{named(resource)}: {container['name']} takes what it likes"
    for resource, pod in templates(resources):
        yield from (
            f"{named(resource)}: {volume['name']} grows without end"
            for volume in pod["spec"]["volumes"]
            if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]
        )


def the_network_is_closed_but_for_what_is_needed(resources: Resources) -> Iterator[str]:
    """Nothing by default; named peers and ports; the store only for those who settle and who compare."""
    shut = [one for one in of_kind(resources, "NetworkPolicy") if not {"egress", "ingress"} & set(one["spec"])]
    for resource, pod in templates(resources):
        labels = pod["metadata"]["labels"]
        if not any(
            set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"} and matches(one["spec"]["podSelector"], labels)
            for one in shut
        ):
            yield f"{named(resource)}: open where nothing else is said"
        ports = set(_allowed(resources, labels))
        brokers = {int(server.rpartition(":")[2]) for server in settings(resources)["YIDAN_KAFKA_BOOTSTRAP"].split(",")}
        needed = {53} if component(resource) == "redis-exporter" else {53, *brokers}
        if not needed <= ports:
            yield f"{named(resource)}: cannot reach names or brokers"
        further = {"worker": 1 + ("YIDAN_TRACING" in settings(resources)), "watch": 1, "redis-exporter": 1}
        if len(ports - needed) != further.get(component(resource), 0):
            yield f"{named(resource)}: reaches {sorted(ports)}"
    for policy, rule in (*policies_of(resources, "egress"), *policies_of(resources, "ingress")):
        peers = rule.get("to") or rule.get("from")
        if (
            not peers
            or not rule.get("ports")
            or any(peer in ({}, {"namespaceSelector": {}}, {"podSelector": {}}) for peer in peers)
        ):
            yield f"{named(policy)}: open to anybody"
    served = {port_of(resources, name) for name in SERVED}
    if {port["port"] for _, rule in policies_of(resources, "ingress") for port in rule.get("ports", ())} != served:
        yield f"Prometheus is let in elsewhere than at {sorted(served)}"


def _allowed(resources: Resources, labels: dict[str, str]) -> Iterable[int]:
    for policy, rule in policies_of(resources, "egress"):
        if matches(policy["spec"]["podSelector"], labels):
            yield from (port["port"] for port in rule.get("ports", ()))


# ── who looks ─────────────────────────────────────────────────────────────────────────────────────────────────


def jobs_are_those_that_alerts_ask_for(resources: Resources) -> Iterator[str]:
    """The label `job` as compose's Prometheus writes it; every monitor finds a Service, its port and a path."""
    jobs = []
    for monitor in of_kind(resources, "ServiceMonitor"):
        found = [
            one
            for one in of_kind(resources, "Service")
            if matches(monitor["spec"]["selector"], one["metadata"]["labels"])
        ]
        if len(found) != 1:
            yield f"{named(monitor)}: finds {len(found)} Services"
            continue
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in {port["name"] for port in found[0]["spec"]["ports"]} - {"pages"}:
                yield f"{named(monitor)}: {named(found[0])} has no port {endpoint['port']}"
            if endpoint["path"] not in SERVED[component(found[0])][1]:
                yield f"{named(monitor)}: nobody answers {endpoint['path']}"
            jobs += [one["replacement"] for one in endpoint["relabelings"] if one["targetLabel"] == "job"]
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
    if not set(jobs) == JOBS <= {job["job_name"] for job in config["scrape_configs"]}:
        yield f"jobs: {sorted(jobs)}"


def what_is_looked_up_is_read_and_says_nothing_of_persons(resources: Resources) -> Iterator[str]:
    """Figures lie where the exporter reads; standard output, which names persons, goes nowhere."""
    written, reads = set(), set()
    for resource, container in containers(resources):
        told = [*container.get("command", ()), *container.get("args", ())]
        reads |= {word.partition("=")[2] for word in told if "textfile.directory=" in word}
        if ("audit" in told or "quarantine" in told) and told[:2] != ["/bin/sh", "/watch/watch.sh"]:
            yield f"{named(resource)}: what {container['name']} finds of persons goes into its log"
        if "--textfile" in told:
            written.add(Path(told[told.index("--textfile") + 1]))
    if {path.name for path in written} != {"audit.prom", "quarantine.prom"} or {
        str(path.parent) for path in written
    } != reads:
        yield f"written to {sorted(map(str, written))}, read from {sorted(reads)}"


RULES: Final[tuple[Rule, ...]] = (
    variables_are_settings,
    no_service_becomes_a_variable,
    secrets_are_referred_to_and_never_there,
    what_is_mounted_is_there,
    ports_are_those_that_are_served,
    probes_ask_what_is_answered,
    nothing_is_killed_too_early,
    a_drain_of_nodes_leaves_somebody,
    a_roll_out_takes_nothing_away_and_moves_the_group_twice,
    scaling_follows_the_group,
    images_are_pinned_and_the_same_as_in_compose,
    pods_have_no_rights,
    everything_is_bounded,
    the_network_is_closed_but_for_what_is_needed,
    jobs_are_those_that_alerts_ask_for,
    what_is_looked_up_is_read_and_says_nothing_of_persons,
)
