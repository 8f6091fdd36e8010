"""Our own rules for docker-compose.yml and the Dockerfile: each says what is wrong, a line a fault.

They are functions of what is written, so that a test can hand each of them a broken copy and see it speak.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from workers.settings import Settings

ROOT: Final = Path(__file__).parents[1]

Compose = dict[str, Any]
Rule = Callable[[Compose], Iterator[str]]

WRITES_ITS_ROOT: Final = frozenset({"apache/kafka"})
"""Images whose start writes into their own folders."""

KEEPS_NOTHING: Final = {"grafana", "kafka-exporter", "redis-exporter", "watch-exporter"}
"""May be cut off at any moment: what they show, others hold."""

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600}
BYTES: Final = {"m": 1 << 20, "g": 1 << 30}


def seconds(duration: str) -> int:
    """Of `40s`, `6h`."""
    return int(duration[:-1]) * SECONDS[duration[-1]]


def size(text: str) -> int:
    """Of `512m`, `2g`."""
    return int(text[:-1]) * BYTES[text[-1]]


def read() -> Compose:
    """The file as it is, freshly read."""
    compose: Compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return compose


def services(compose: Compose) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every service by name."""
    yield from compose["services"].items()


def lasting(compose: Compose) -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that go on until they are stopped."""
    yield from ((name, service) for name, service in services(compose) if service["restart"] == "unless-stopped")


def waits_can_come_true(compose: Compose) -> Iterator[str]:
    """What is waited for exists, becomes healthy or ends."""
    for name, service in services(compose):
        for other, wish in service.get("depends_on", {}).items():
            found = compose["services"].get(other)
            if found is None:
                yield f"{name} waits for {other}, which is no service"
            elif wish["condition"] == "service_healthy" and "test" not in found.get("healthcheck", {}):
                yield f"{name} waits for the health of {other}, which nobody asks for"
            elif wish["condition"] == "service_completed_successfully" and found["restart"].startswith("unless"):
                yield f"{name} waits for the end of {other}, which never ends"
            elif wish["condition"] == "service_started":
                yield f"{name} waits for {other} to be started, which says nothing"


def everything_lasting_tells_its_health(compose: Compose) -> Iterator[str]:
    """A service that hangs is seen; one that ends has no health to ask for."""
    for name, service in services(compose):
        check = service.get("healthcheck", {})
        if service["restart"] == "unless-stopped":
            if not {"test", "interval", "timeout", "retries"} <= set(check):
                yield f"{name}: nobody sees it hang"
            elif seconds(check["timeout"]) > seconds(check["interval"]):
                yield f"{name}: a check may begin before the last one has ended"
        elif "build" in service and not check.get("disable"):
            yield f"{name}: the image's own health check asks for a server that is not there"


def images_are_pinned(compose: Compose) -> Iterator[str]:
    """Version and variant, so that tomorrow's is today's."""
    for name, service in services(compose):
        if not re.fullmatch(r"[a-z0-9/_-]+:v?\d+\.\d+\.\d+(-[a-z]+)?", service["image"]):
            yield f"{name}: {service['image']} may be another one tomorrow"


def everything_is_bounded(compose: Compose) -> Iterator[str]:
    """Nothing takes the machine away from the rest, and the limit leaves room for what the service is told to take."""
    for name, service in services(compose):
        limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
        if set(limits) != {"memory", "cpus", "pids"}:
            yield f"{name}: memory, processor or processes without a limit"
            continue
        heap = re.search(r"-Xmx(\d+[mg])", str(service.get("environment", {}).get("KAFKA_HEAP_OPTS", "")))
        if heap and size(limits["memory"]) < 2 * size(heap[1]):
            yield f"{name}: a heap of {heap[1]} leaves no room in {limits['memory']}"
        command = service.get("command", [])
        if "--maxmemory" in command:
            most = command[command.index("--maxmemory") + 1].removesuffix("b")
            if size(limits["memory"]) < 3 * size(most) // 2:
                yield f"{name}: killed while it rewrites its log: {most} in {limits['memory']}"


def nobody_has_a_right_too_many(compose: Compose) -> Iterator[str]:
    """No capability, no way to get one, nothing written but where it is meant to be."""
    for name, service in services(compose):
        if service.get("cap_drop") != ["ALL"] or service.get("cap_add"):
            yield f"{name}: keeps capabilities"
        if service.get("security_opt") != ["no-new-privileges:true"]:
            yield f"{name}: may gain privileges"
        if service.get("privileged") or service.get("pid") or service.get("network_mode") or service.get("ipc"):
            yield f"{name}: reaches into the machine"
        if not service.get("read_only") and service["image"].partition(":")[0] not in WRITES_ITS_ROOT:
            yield f"{name}: may write into its own image"


def ports_are_on_loopback_and_once(compose: Compose) -> Iterator[str]:
    """Nothing is open to the network, and nothing is published twice."""
    taken: set[str] = set()
    for name, service in services(compose):
        for port in service.get("ports", []):
            if not port.startswith("127.0.0.1:"):
                yield f"{name}: {port} is open to the network"
            published = port.split(":")[-2]
            if published in taken:
                yield f"{name}: {published} is taken"
            taken.add(published)
            if service.get("deploy", {}).get("replicas", 1) > 1:
                yield f"{name}: two replicas cannot share {port}"


def mounts_are_there(compose: Compose) -> Iterator[str]:
    """What is not there would be made by Docker, empty and owned by root."""
    for name, service in services(compose):
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            if not source.startswith("."):
                if source not in compose["volumes"]:
                    yield f"{name}: the volume {source} is not declared"
            elif not (ROOT / source).exists():
                yield f"{name}: there is no {source}"
            elif not mount.endswith(":ro"):
                yield f"{name}: {source} can be written"


def what_ends_gently_is_given_the_time(compose: Compose) -> Iterator[str]:
    """Longer than the program takes to let go."""
    for name, service in lasting(compose):
        if name in KEEPS_NOTHING:
            continue
        given = seconds(service.get("stop_grace_period", "10s"))
        if given < 30:
            yield f"{name}: killed after {given} s"
        if service.get("command") in (["work"], ["operate"]) and given <= drain_seconds(service):
            yield f"{name}: killed before it has drained"


def drain_seconds(service: dict[str, Any]) -> float:
    """What the service is told to take at most to let go."""
    default: float = Settings.model_fields["drain_timeout_s"].default
    return float(service["environment"].get("YIDAN_DRAIN_TIMEOUT_S", default))


def persons_stay_out_of_the_logs(compose: Compose) -> Iterator[str]:
    """Audits and lists name persons on standard output; what runs them by itself must throw that away."""
    for name, service in services(compose):
        told = [*service.get("entrypoint", []), *service.get("command", [])]
        if ("audit" in told or "quarantine" in told) and "/watch/watch.sh" not in told:
            yield f"{name}: what it finds of persons goes into its log"


def what_is_looked_up_is_read(compose: Compose) -> Iterator[str]:
    """The figures of `--textfile` lie where the exporter reads, and Prometheus asks it."""
    exporter = compose["services"].get("watch-exporter", {"command": []})
    reads = {word.partition("=")[2] for word in exporter["command"] if "textfile.directory=" in word}
    written = set()
    for name, service in services(compose):
        command = service.get("command", [])
        if "--textfile" in command:
            path = Path(command[command.index("--textfile") + 1])
            written.add(path.name)
            if str(path.parent) not in reads or path.suffix != ".prom":
                yield f"{name}: nobody reads {path}"
            if f"textfile:{path.parent}" not in service["volumes"]:
                yield f"{name}: {path} is not in the folder that is shared"
    if written != {"audit.prom", "quarantine.prom"}:
        yield f"not looked up, or twice in one file: {sorted(written)}"


def acknowledged_means_on_two_nodes(compose: Compose) -> Iterator[str]:
    """Replication 3, two in sync, for our topics and for the broker's own; no topic makes itself."""
    nodes = sorted(name for name in compose["services"] if re.fullmatch(r"kafka-\d", name))
    if len(nodes) != 3:
        yield f"{len(nodes)} nodes"
    wanted = {
        "KAFKA_DEFAULT_REPLICATION_FACTOR": "3",
        "KAFKA_MIN_INSYNC_REPLICAS": "2",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "3",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "3",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "2",
        "KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE": "false",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    for number, name in enumerate(nodes, start=1):
        told = compose["services"][name]["environment"]
        if told["KAFKA_NODE_ID"] != str(number):
            yield f"{name}: is node {told['KAFKA_NODE_ID']}"
        if f"{number}@{name}:9093" not in told["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(","):
            yield f"{name}: has no vote"
        yield from (f"{name}: {key} is not {value}" for key, value in wanted.items() if told.get(key) != value)
        published = compose["services"][name]["ports"][0].rpartition(":")[0]
        if f"LOOPBACK://{published}" not in told["KAFKA_ADVERTISED_LISTENERS"]:
            yield f"{name}: says another address than {published} to this machine"
        if f"{name}:19092" not in compose["services"]["worker"]["environment"]["YIDAN_KAFKA_BOOTSTRAP"].split(","):
            yield f"{name}: no worker knows it"


def the_store_keeps_its_log_and_never_evicts(compose: Compose) -> Iterator[str]:
    """A lost second is seen and replayed; an evicted ledger would be a cap forgotten."""
    command = compose["services"]["redis"]["command"]
    told = dict(zip(command[1::2], command[2::2], strict=True))
    wanted = {"--appendonly": "yes", "--appendfsync": "everysec", "--maxmemory-policy": "noeviction"}
    yield from (f"redis: {key} is not {value}" for key, value in wanted.items() if told.get(key) != value)


def workers_start_after_their_topics_and_in_pairs(compose: Compose) -> Iterator[str]:
    """One may be away."""
    worker = compose["services"]["worker"]
    if worker["command"] != ["work"] or worker["deploy"].get("replicas", 1) < 2:
        yield "worker: one alone, or none"
    if worker["depends_on"].get("topics", {}).get("condition") != "service_completed_successfully":
        yield "worker: starts before its topics"


RULES: Final[tuple[Rule, ...]] = (
    waits_can_come_true,
    everything_lasting_tells_its_health,
    images_are_pinned,
    everything_is_bounded,
    nobody_has_a_right_too_many,
    ports_are_on_loopback_and_once,
    mounts_are_there,
    what_ends_gently_is_given_the_time,
    persons_stay_out_of_the_logs,
    what_is_looked_up_is_read,
    acknowledged_means_on_two_nodes,
    the_store_keeps_its_log_and_never_evicts,
    workers_start_after_their_topics_and_in_pairs,
)


# ── the Dockerfile ────────────────────────────────────────────────────────────────────────────────────────────


def instructions(text: str) -> list[tuple[str, str]]:
    """Instruction and what it is told, lines joined, comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines())]


def dockerfile_faults(text: str) -> Iterator[str]:
    """What hadolint would say of it, and what we ask beyond."""
    told = instructions(text)
    stages = [rest for word, rest in told if word == "FROM"]
    if len(stages) != 2:
        yield "one stage: what builds is shipped"
    if not all(re.match(r"python:\d+\.\d+\.\d+-slim-[a-z]+( AS \w+)?$", stage) for stage in stages):
        yield "it starts from an image that may be another one tomorrow"
    if len({stage.partition(" ")[0] for stage in stages}) != 1:
        yield "it is built on another Python than it runs on"
    last = max(number for number, (word, _) in enumerate(told) if word == "FROM")
    final = told[last:]
    yield from _installs(told[:last])
    yield from _ships(final)
    if any(word in ("ADD", "SHELL", "MAINTAINER") for word, _ in told):
        yield "ADD fetches and unpacks, SHELL and MAINTAINER are of no use"
    if any(re.search(r"\b(sudo|curl|wget|apt-get|latest)\b", rest) for _, rest in told):
        yield "it brings something along that no hash is known of"


def _installs(building: list[tuple[str, str]]) -> Iterator[str]:
    for word, rest in building:
        for command in rest.split("&&") if word == "RUN" else ():
            if re.search(r"\bpip\b.* install\b", command) and not re.search(r"--require-hashes|--no-index", command):
                yield f"installed without hashes:{command}"
            if "venv" in command and "-m venv" in command and "--without-pip" not in command:
                yield "the environment that ships has pip"


def _ships(final: list[tuple[str, str]]) -> Iterator[str]:
    users = [rest for word, rest in final if word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1]):
        yield "it runs as root, or as somebody of whom Kubernetes cannot tell that he is not"
    if not any(word == "RUN" and "pip uninstall" in rest for word, rest in final):
        yield "pip is shipped"
    if any(word == "COPY" and not rest.startswith("--from=") for word, rest in final):
        yield "sources are shipped beside what was installed"
    for asked in ("ENTRYPOINT", "CMD"):
        if not any(word == asked and rest.startswith("[") for word, rest in final):
            yield f"{asked} by a shell: SIGTERM does not reach the program"
    if not any(
        word == "HEALTHCHECK" and str(Settings.model_fields["http_port"].default) in rest for word, rest in final
    ):
        yield "nobody sees it hang"
    served = ("http_port", "operate_http_port", "operate_metrics_port")
    ports = {str(Settings.model_fields[name].default) for name in served}
    if {port for word, rest in final if word == "EXPOSE" for port in rest.split()} != ports:
        yield "it names other ports than it serves"
