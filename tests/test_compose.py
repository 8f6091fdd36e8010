"""The compose file can be trusted although no Docker is at hand: by its specification, by sense, by our settings."""

import copy
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import compose_rules as rules
from tests.compose_rules import ROOT, RULES, Compose, Rule, dockerfile_faults
from workers.settings import Settings, read_settings

COMPOSE = rules.read()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PROMETHEUS = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text(encoding="utf-8"))
JOBS = {job["job_name"]: job for job in PROMETHEUS["scrape_configs"]}


def test_it_follows_the_compose_specification():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_keeps_our_own_rules(rule):
    assert list(rule(COMPOSE)) == []


def put(service: str, *path: str, value: Any) -> Callable[[Compose], None]:
    """Sets one key of a service; None takes it away."""

    def change(compose: Compose) -> None:
        place = compose["services"][service]
        for step in path[:-1]:
            place = place[step]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value

    return change


BROKEN: list[tuple[Rule, Callable[[Compose], None]]] = [
    (rules.waits_can_come_true, put("worker", "depends_on", "reddis", value={"condition": "service_healthy"})),
    (rules.waits_can_come_true, put("redis", "healthcheck", value=None)),
    (rules.waits_can_come_true, put("topics", "restart", value="unless-stopped")),
    (rules.waits_can_come_true, put("grafana", "depends_on", "prometheus", "condition", value="service_started")),
    (rules.everything_lasting_tells_its_health, put("grafana", "healthcheck", value=None)),
    (rules.everything_lasting_tells_its_health, put("worker", "healthcheck", "timeout", value="20s")),
    (rules.everything_lasting_tells_its_health, put("topics", "healthcheck", value=None)),
    (rules.images_are_pinned, put("redis", "image", value="redis:7")),
    (rules.everything_is_bounded, put("prometheus", "deploy", value=None)),
    (rules.everything_is_bounded, put("worker", "deploy", "resources", "limits", "pids", value=None)),
    (rules.everything_is_bounded, put("kafka-2", "environment", "KAFKA_HEAP_OPTS", value="-Xmx1g")),
    (rules.everything_is_bounded, put("redis", "deploy", "resources", "limits", "memory", value="2g")),
    (rules.nobody_has_a_right_too_many, put("grafana", "read_only", value=None)),
    (rules.nobody_has_a_right_too_many, put("redis", "cap_drop", value=None)),
    (rules.nobody_has_a_right_too_many, put("redis", "cap_add", value=["SETUID"])),
    (rules.nobody_has_a_right_too_many, put("kafka-1", "security_opt", value=[])),
    (rules.nobody_has_a_right_too_many, put("worker", "network_mode", value="host")),
    (rules.ports_are_on_loopback_and_once, put("operate", "ports", value=["29465:9465"])),
    (rules.ports_are_on_loopback_and_once, put("operate", "ports", value=["127.0.0.1:29090:9465"])),
    (rules.ports_are_on_loopback_and_once, put("worker", "ports", value=["127.0.0.1:29464:9464"])),
    (rules.mounts_are_there, put("grafana", "volumes", value=["./ops/graphana:/etc/grafana:ro"])),
    (rules.mounts_are_there, put("grafana", "volumes", value=["./ops/grafana:/etc/grafana"])),
    (rules.mounts_are_there, put("redis", "volumes", value=["rediss:/data"])),
    (rules.what_ends_gently_is_given_the_time, put("kafka-3", "stop_grace_period", value="10s")),
    (rules.what_ends_gently_is_given_the_time, put("worker", "environment", "YIDAN_DRAIN_TIMEOUT_S", value="40")),
    (rules.persons_stay_out_of_the_logs, put("watch-audit", "entrypoint", value=["yidan"])),
    (rules.what_is_looked_up_is_read, put("watch-exporter", "command", value=["--collector.textfile"])),
    (rules.what_is_looked_up_is_read, put("watch-audit", "volumes", value=["./ops/watch:/watch:ro"])),
    (rules.what_is_looked_up_is_read, put("watch-quarantine", "command", value=["quarantine", "list"])),
    (rules.acknowledged_means_on_two_nodes, put("kafka-2", "environment", "KAFKA_MIN_INSYNC_REPLICAS", value="1")),
    (rules.acknowledged_means_on_two_nodes, put("kafka-2", "environment", "KAFKA_NODE_ID", value="1")),
    (rules.acknowledged_means_on_two_nodes, put("kafka-3", "ports", value=["127.0.0.1:29092:9092"])),
    (
        rules.acknowledged_means_on_two_nodes,
        put("worker", "environment", "YIDAN_KAFKA_BOOTSTRAP", value="kafka-1:19092"),
    ),
    (rules.the_store_keeps_its_log_and_never_evicts, put("redis", "command", value=["redis-server"])),
    (rules.workers_start_after_their_topics_and_in_pairs, put("worker", "deploy", "replicas", value=1)),
    (rules.workers_start_after_their_topics_and_in_pairs, put("worker", "depends_on", "topics", value=None)),
]


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_speaks_of_a_copy_that_breaks_it(rule, change):
    broken = copy.deepcopy(COMPOSE)
    change(broken)
    assert list(rule(broken)) != []


def test_every_rule_has_been_seen_to_speak():
    assert {rule for rule, _ in BROKEN} == set(RULES)


# ── the image ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_image_that_is_built_here_carries_our_version():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in SERVICES.values() if "build" in service} == {f"yidan:{version[1]}"}


def test_the_dockerfile_ships_what_was_locked_and_nothing_that_builds():
    assert list(dockerfile_faults(DOCKERFILE)) == []


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("FROM python:3.11.13-slim-bookworm\n", "FROM python:3.11-slim-bookworm\n"),
        ("FROM python:3.11.13-slim-bookworm\n", "FROM python:3.12.11-slim-bookworm\n"),
        ("FROM python:3.11.13-slim-bookworm\n", ""),
        ("USER 10001:10001", "USER yidan"),
        ("USER 10001:10001", ""),
        ("RUN pip uninstall --yes pip setuptools wheel", ""),
        ("--without-pip ", ""),
        ("--require-hashes --only-binary", "--only-binary"),
        ('ENTRYPOINT ["yidan"]', "ENTRYPOINT yidan"),
        ('CMD ["work"]', "CMD work"),
        ("HEALTHCHECK", "LABEL"),
        ("EXPOSE 9464 9465 9466", "EXPOSE 8080"),
        ("COPY --from=build /opt/yidan /opt/yidan", "COPY workers /opt/yidan"),
        ("COPY contracts contracts", "ADD contracts contracts"),
        ("RUN pip uninstall", "RUN apt-get update && pip uninstall"),
    ],
)
def test_a_dockerfile_that_is_broken_is_found_out(said, instead):
    assert said in DOCKERFILE
    assert list(dockerfile_faults(DOCKERFILE.replace(said, instead, 1))) != []


def test_what_the_dockerfile_copies_is_there_and_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert source in allowed, f"{source} does not reach the build"
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


@pytest.mark.parametrize("name", [name for name in SERVICES if "build" in SERVICES[name]])
def test_the_workers_accept_the_settings_that_they_are_given(name, monkeypatch, tmp_path):
    for key in [key for key in os.environ if key.startswith("YIDAN_")]:
        monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)  # away from a developer's own .env
    given = {key: value for key, value in SERVICES[name]["environment"].items() if key.startswith("YIDAN_")}
    for key, value in given.items():
        monkeypatch.setenv(key, value)
    settings = read_settings()
    assert settings.model_fields_set == {key.removeprefix("YIDAN_").lower() for key in given}
    assert sum(bool(re.fullmatch(r"kafka-\d", other)) for other in SERVICES) >= settings.replication_factor
    assert str(settings.http_port) in SERVICES["worker"]["healthcheck"]["test"][-1]
    assert str(settings.operate_metrics_port) in SERVICES["operate"]["healthcheck"]["test"][-1]


# ── who looks ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_prometheus_finds_every_replica_of_the_worker():
    (found,) = JOBS["yidan"]["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert str(found["port"]) == SERVICES["worker"]["environment"]["YIDAN_HTTP_PORT"]


def test_prometheus_finds_the_figures_of_operate_and_not_its_pages():
    (found,) = JOBS["yidan-operate"]["dns_sd_configs"]
    assert set(found["names"]) <= set(SERVICES)
    assert found["port"] == Settings.model_fields["operate_metrics_port"].default


def test_prometheus_reads_the_rules_and_asks_every_exporter_and_nobody_else():
    assert PROMETHEUS["rule_files"] == ["rules/*.yml"]
    asked = {
        target.partition(":")[0]
        for job in JOBS.values()
        for found in job.get("static_configs", [])
        for target in found["targets"]
    }
    assert asked - {"127.0.0.1"} == {name for name in SERVICES if name.endswith("-exporter")}


def test_grafana_reads_its_figures_from_this_prometheus():
    (source,) = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert source["uid"] == "prometheus"


@pytest.fixture
def looking(tmp_path: Path):
    """Starts `watch.sh SECONDS yidan …` beside a program `yidan` that ends as told; ends it if the test has not."""
    started: list[subprocess.Popen[str]] = []

    def start(every: int, body: str) -> subprocess.Popen[str]:
        program = tmp_path / "yidan"
        program.write_text(f"#!/bin/sh\necho P330000000001\necho look >>{tmp_path}/looks\n{body}\n")
        program.chmod(0o755)
        watching = subprocess.Popen(
            ["/bin/sh", str(ROOT / "ops/watch/watch.sh"), str(every), "yidan", "audit"],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(watching)
        return watching

    yield start
    for watching in started:
        if watching.poll() is None:
            watching.kill()
        watching.communicate()


def looks(folder: Path, number: int) -> int:
    """How often was looked, once it was `number` times or three seconds have passed."""
    seen, deadline = 0, time.monotonic() + 3
    while seen < number and time.monotonic() < deadline:
        time.sleep(0.02)
        seen = (folder / "looks").read_text().count("look") if (folder / "looks").exists() else 0
    return seen


@pytest.mark.parametrize("code", [0, 1, 69])
def test_whoever_watches_looks_again_whatever_came_of_it_and_says_nothing_of_persons(code, looking, tmp_path):
    watching = looking(0, f"exit {code}")
    assert looks(tmp_path, 3) >= 3
    watching.send_signal(signal.SIGTERM)
    said, complained = watching.communicate(timeout=3)
    assert said == ""
    assert ("could not look (exit 69)" in complained) == (code == 69)
    assert "P33" not in complained


@pytest.mark.parametrize("body", ["exec sleep 60", "exit 0"], ids=["in a look", "between two"])
def test_whoever_watches_ends_at_once_when_told_to(body, looking, tmp_path):
    watching = looking(60, body)
    assert looks(tmp_path, 1) == 1
    watching.send_signal(signal.SIGTERM)
    watching.communicate(timeout=3)
    assert watching.returncode == 0
