"""Rules and alerts can be trusted before anything burns: each has spoken and been silent in a test of its own."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.promtool import promtool
from workers.metrics import names

ROOT = Path(__file__).parents[1]
HERE = ROOT / "ops" / "prometheus"
RULES = sorted((HERE / "rules").glob("*.yml"))
TESTS = sorted((HERE / "tests").glob("*.yml"))

OTHERS = {
    *("up", "ALERTS", "kafka_topic_partition_current_offset"),
    *("redis_up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total"),
}
"""Series of Prometheus itself and of the two exporters."""


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules() -> Iterable[dict[str, Any]]:
    for path in RULES:
        for group in read(path)["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def checked(*arguments: str | Path) -> None:
    done = subprocess.run(
        [promtool(), *map(str, arguments)], cwd=HERE, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_and_the_configuration_are_what_prometheus_reads():
    checked("check", "rules", "--lint=all", "--lint-fatal", *RULES)
    checked("check", "config", "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_speak_when_they_must_and_are_silent_when_they_must(path):
    checked("test", "rules", path)


def test_every_alert_is_tested_both_ways():
    seen: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for path in TESTS:
        for test in read(path)["tests"]:
            for asked in test["promql_expr_test"]:
                name = re.findall(r'alertname="(\w+)"', asked["expr"])[0]
                assert test["name"].startswith(f"{name}: "), test["name"]
                seen[name].add(bool(asked["exp_samples"]))
    assert {name for name, ways in seen.items() if ways != {True, False}} == set()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_urgent_it_is_and_what_it_means_in_both_languages(name):
    alert = ALERTS[name]
    assert re.fullmatch(r"Yidan[A-Z]\w+", name)
    assert alert["labels"] == {"severity": alert["labels"]["severity"]}
    assert alert["labels"]["severity"] in ("page", "ticket", "info")
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    for text in (alert["annotations"]["summary"], alert["annotations"]["description"]):
        words = re.sub(r"\{\{.*?\}\}", "", text)
        assert len(re.findall(r"[\u4e00-\u9fff]", words)) >= 4, "Chinese"
        assert len(re.findall(r"\b[A-Za-z]+\b", words)) >= 3, "English"


def test_every_series_that_a_rule_asks_for_is_one_that_there_is():
    known = {name.full for name in names.ALL}
    for name in names.ALL:
        if name.kind == "histogram":
            known |= {f"{name.full}_{part}" for part in ("bucket", "sum", "count")}
    for rule in rules():
        expression = re.sub(r'"[^"]*"', "", rule["expr"])
        for series in re.findall(r"\b(?:yidan|redis|kafka)[a-z0-9_:]*", expression):
            assert series in known | RECORDED | OTHERS, f"{series} in {rule.get('alert') or rule['record']}"


def test_the_promise_has_a_bucket_that_ends_where_it_does():
    asked = {le for rule in rules() for le in re.findall(r'le="([^"]+)"', rule["expr"])}
    assert asked == {"5.0"}
    assert 5.0 in names.RECORD_SECONDS.buckets


def test_labels_that_a_rule_asks_for_have_values_on_the_closed_lists():
    table = {name.full: name for name in names.ALL}
    for rule in rules():
        for series, selector in re.findall(r"(yidan_\w+)\{([^}]*)\}", rule["expr"]):
            name = table.get(series) or table[series.removesuffix("_bucket")]
            assert set(re.findall(r"(\w+)!?=~?\"", selector)) - {"le"} <= set(name.labels), rule
