"""The compose file can be trusted although no Docker is at hand: by its specification, by sense, by our settings."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from workers.settings import Settings, read_settings

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
KAFKA = sorted(name for name in SERVICES if re.fullmatch(r"kafka-\d", name))

KEEPS_NOTHING = {"prometheus", "grafana", "kafka-exporter", "redis-exporter"}
"""May be cut off at any moment: what they show, others hold."""

each_service = pytest.mark.parametrize("name", SERVICES)


def dependencies(service: dict[str, Any]) -> dict[str, str]:
    """Which service it waits for, and for what."""
    return {other: wish["condition"] for other, wish in service.get("depends_on", {}).items()}


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))


def test_it_follows_the_compose_specification():
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@each_service
def test_what_a_service_waits_for_exists_and_can_come_true(name):
    for other, condition in dependencies(SERVICES[name]).items():
        assert other in SERVICES
        if condition == "service_healthy":
            assert "healthcheck" in SERVICES[other], f"{other} never becomes healthy"
        if condition == "service_completed_successfully":
            assert not SERVICES[other].get("restart", "no").startswith(("always", "unless")), f"{other} never ends"


@each_service
def test_every_image_is_pinned_to_a_version(name):
    image = SERVICES[name]["image"]
    assert re.fullmatch(r"[a-z0-9/_-]+:v?\d+\.\d+\.\d+", image), f"{image} may be another one tomorrow"


def test_the_image_that_is_built_here_carries_our_version_and_starts_from_pinned_ones():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert {service["image"] for service in SERVICES.values() if "build" in service} == {f"yidan:{version[1]}"}
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:\d+\.\d+\.\d+-slim-[a-z]+", base) for base in bases)


def test_what_the_dockerfile_copies_is_there_and_not_ignored():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists()
        assert source in allowed, f"{source} does not reach the build"


@each_service
def test_ports_are_published_on_loopback_only_and_once(name):
    taken = [port.split(":")[1] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(taken) == len(set(taken))
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{port} is open to the network"
        assert SERVICES[name].get("deploy", {}).get("replicas", 1) == 1, "two replicas cannot share a port"


@each_service
def test_mounted_files_are_in_the_repository_and_volumes_are_declared(name):
    for mount in SERVICES[name].get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (ROOT / source).exists(), f"{source} would be made by Docker, empty and owned by root"
            assert mount.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@each_service
def test_what_ends_gently_is_given_the_time_to(name):
    if SERVICES[name].get("restart") == "unless-stopped" and name not in KEEPS_NOTHING:
        assert seconds(SERVICES[name]["stop_grace_period"]) >= 30


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
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > settings.drain_timeout_s, "killed before it has drained"
    assert len(KAFKA) >= settings.replication_factor
    for shared in (SERVICES["worker"]["healthcheck"]["test"][-1], (ROOT / "Dockerfile").read_text()):
        assert str(settings.http_port) in shared


def test_acknowledged_means_on_two_nodes_and_no_topic_makes_itself():
    assert len(KAFKA) == 3
    for number, name in enumerate(KAFKA, start=1):
        settings = SERVICES[name]["environment"]
        assert settings["KAFKA_NODE_ID"] == str(number)
        assert f"{number}@{name}:9093" in settings["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")
        assert settings["KAFKA_DEFAULT_REPLICATION_FACTOR"] == "3"
        assert settings["KAFKA_MIN_INSYNC_REPLICAS"] == "2"
        assert settings["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "3"
        assert settings["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "2"
        assert settings["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
        assert settings["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
        published = SERVICES[name]["ports"][0].rpartition(":")[0]
        assert f"LOOPBACK://{published}" in settings["KAFKA_ADVERTISED_LISTENERS"]
        assert f"{name}:19092" in SERVICES["worker"]["environment"]["YIDAN_KAFKA_BOOTSTRAP"].split(",")


def test_the_store_keeps_its_log_and_never_evicts():
    command = SERVICES["redis"]["command"]
    settings = dict(zip(command[1::2], command[2::2], strict=True))
    assert settings["--appendonly"] == "yes"
    assert settings["--appendfsync"] == "everysec"
    assert settings["--maxmemory-policy"] == "noeviction"


def test_the_workers_start_after_their_topics_and_run_in_pairs_without_rights():
    worker = SERVICES["worker"]
    assert worker["command"] == ["work"]
    assert worker["deploy"]["replicas"] == 2
    assert dependencies(worker)["topics"] == "service_completed_successfully"
    for name in ("topics", "worker"):
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_prometheus_finds_every_replica_of_the_worker():
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "yidan"]
    (found,) = job["dns_sd_configs"]
    assert found["names"] == ["worker"]
    assert str(found["port"]) == SERVICES["worker"]["environment"]["YIDAN_HTTP_PORT"]


def test_prometheus_finds_operate_where_it_listens():
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    (job,) = [job for job in config["scrape_configs"] if job["job_name"] == "yidan-operate"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) <= set(SERVICES)
    assert found["port"] == Settings.model_fields["operate_http_port"].default


def test_prometheus_reads_the_rules_and_asks_only_services_that_there_are():
    config = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yml").read_text())
    assert config["rule_files"] == ["rules/*.yml"]
    asked = {
        target.partition(":")[0]
        for job in config["scrape_configs"]
        for found in job.get("static_configs", [])
        for target in found["targets"]
    }
    assert asked - {"127.0.0.1"} <= set(SERVICES)
    assert {"kafka-exporter", "redis-exporter"} <= asked


def test_grafana_reads_its_figures_from_this_prometheus():
    (source,) = yaml.safe_load((ROOT / "ops/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    assert source["uid"] == "prometheus"
