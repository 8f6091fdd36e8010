"""The dashboards keep the rules of Grafana's own dashboard-linter, and are what the code beside them writes."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from ops.grafana.build import written
from tests.dashboards.files import DASHBOARDS, FILES, GRAFANA, ROOT, Target, panels, targets, variables
from tests.promtool import promtool
from workers.metrics import names

LINT = yaml.safe_load((GRAFANA / "dashboards" / ".lint").read_text("utf-8"))["exclusions"]
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)

UNITS = {"none", "short", "percentunit", "locale", "bytes", "s", "dtdurations", "cps", "ops"}
"""Of the linter's list, those that are used here. It has none of yuan: such titles say 元 and numbers have commas."""

OTHERS = {
    *("up", "ALERTS", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"),
    *("redis_up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total"),
    *("redis_aof_enabled", "redis_aof_last_write_status", "redis_commands_processed_total"),
}
"""Series of Prometheus, of every process, and of the exporter that stands beside Redis."""

SERIES = re.compile(r"\b(?:(?:yidan|redis|process)_[a-z0-9_]+|yidan:[a-z0-9_:]+|ALERTS|up)\b(\{[^}]*\})?")


def recorded() -> dict[str, str]:
    groups = yaml.safe_load((ROOT / "ops/prometheus/rules/recording.yml").read_text("utf-8"))["groups"]
    return {rule["record"]: rule["expr"] for group in groups for rule in group["rules"]}


def series_of(expression: str) -> list[tuple[str, str]]:
    """Every selector of an expression: its series and its matchers."""
    return [(found[0].partition("{")[0], found[1] or "") for found in SERIES.finditer(expression)]


def is_excused(target: Target, rule: str) -> bool:
    title = DASHBOARDS[target.dashboard]["title"]
    return any((each["dashboard"], each["panel"]) == (title, target.panel["title"]) for each in LINT[rule]["entries"])


def expressions() -> list[str]:
    found = [target.expression for target in targets()]
    for dashboard in DASHBOARDS.values():
        found += [each["target"]["expr"] for each in dashboard["annotations"]["list"]]
    return found


# ── what is committed is what is written ──────────────────────────────────────────────────────────────────────


def test_what_is_committed_is_what_the_code_writes():
    told = {path.name: path.read_text("utf-8") for path in (GRAFANA / "dashboards").iterdir()}
    assert told == written(), "make dashboards"


def test_an_installation_can_say_where_it_keeps_the_runbook():
    ours = written("https://wiki.example/runbook")
    assert all("https://wiki.example/runbook" in text for name, text in ours.items() if name.endswith(".json"))


def test_there_are_the_four():
    assert {path.stem for path in FILES} == {"yidan-overview", "yidan-layers", "yidan-pipeline", "yidan-policy"}
    for name, dashboard in DASHBOARDS.items():
        assert dashboard["uid"] == name
        assert re.search(r"[\u4e00-\u9fff]", dashboard["title"])


# ── template-* rules ──────────────────────────────────────────────────────────────────────────────────────────


@each_dashboard
def test_template_datasource(name):
    (source,) = [each for each in variables(name).values() if each["type"] == "datasource"]
    assert (source["name"], source["label"], source["query"]) == ("datasource", "Data source", "prometheus")


@each_dashboard
@pytest.mark.parametrize("wanted", ["job", "instance"])
def test_template_job_and_instance(name, wanted):
    found = variables(name)[wanted]
    assert found["type"] == "query"
    assert found["datasource"]["uid"] == "${datasource}"
    assert (found["label"], found["multi"], found["allValue"]) == (wanted.title(), True, ".+")


@each_dashboard
def test_template_label_promql_and_on_time_change_reload(name):
    for found in variables(name).values():
        if found["type"] == "query":
            assert re.fullmatch(r"label_values\(.+, \w+\)", found["query"])
            assert found["refresh"] == 2


@each_dashboard
def test_uneditable(name):
    assert DASHBOARDS[name]["editable"] is False


# ── panel-* rules ─────────────────────────────────────────────────────────────────────────────────────────────


@each_dashboard
def test_panel_datasource_title_description_and_targets(name):
    titles = [panel["title"] for panel in panels(name)]
    assert len(titles) == len(set(titles)), "the linter's exclusions go by title"
    for panel in panels(name):
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        assert panel["targets"], panel["title"]
        assert re.search(r"[\u4e00-\u9fff]", panel["title"]), f"{panel['title']}: a title in Chinese"
        assert len(re.findall(r"\b[A-Za-z]+\b", panel["description"])) >= 5, f"{panel['title']}: described in English"


@each_dashboard
def test_panel_units(name):
    for panel in panels(name):
        assert panel["fieldConfig"]["defaults"].get("unit") in UNITS, panel["title"]


@each_dashboard
def test_money_says_that_it_is_in_yuan(name):
    for panel in panels(name):
        asked = [target["expr"] for target in panel["targets"] if re.search(r"_fen(_total)?\b|_yuan", target["expr"])]
        if asked and panel["fieldConfig"]["defaults"]["unit"] != "percentunit":
            assert "元" in panel["title"], panel["title"]
            for expression in asked:
                assert re.search(r"/ 100\b|\b36 \*|_yuan", expression), f"{panel['title']}: fen, shown as yuan"


@each_dashboard
def test_panels_fill_the_screen_without_overlap_and_have_numbers_of_their_own(name):
    everything = DASHBOARDS[name]["panels"]
    numbers = [panel["id"] for panel in everything]
    assert sorted(numbers) == sorted(set(numbers))
    assert 0 not in numbers
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = {(place["x"] + right, place["y"] + down) for right in range(place["w"]) for down in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 24 * (1 + max(down for _, down in taken)), "a hole"


# ── target-* rules ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("matcher", ["job", "instance"])
def test_target_job_and_instance(matcher):
    for target in targets():
        for series, matchers in series_of(target.expression):
            kept = f'{matcher}=~"${matcher}"' in matchers
            assert kept or is_excused(target, f"target-{matcher}-rule"), f"{target}: {series}"


def test_what_the_linter_need_not_mind_is_there_and_says_why():
    titles = {(DASHBOARDS[name]["title"], panel["title"]) for name in DASHBOARDS for panel in panels(name)}
    for rule in LINT.values():
        for each in rule["entries"]:
            assert (each["dashboard"], each["panel"]) in titles
            assert len(each["reason"]) > 40


def test_only_recorded_series_and_alerts_go_without_a_job():
    for target in targets():
        for series, matchers in series_of(target.expression):
            assert 'job=~"$job"' in matchers or ":" in series or series == "ALERTS", target


def test_target_rate_interval():
    for target in targets():
        for window in re.findall(r"\b(?:rate|irate|deriv)\([^\[]*\[([^\]]+)\]", target.expression):
            assert window == "$__rate_interval", target


def test_target_counter_agg():
    for target in targets():
        for found in re.finditer(r"(\w+\()?\w+_total(?:\{[^}]*\})?(\[)?", target.expression):
            assert found[1] in ("rate(", "increase("), target
            assert found[2], target


def test_target_promql(tmp_path):
    """Prometheus' own parser reads every expression."""
    filled = {"$__rate_interval": "20s", "$__range": "1h"}
    rules: list[dict[str, Any]] = []
    for number, expression in enumerate(expressions()):
        for name, value in filled.items():
            expression = expression.replace(name, value)
        rules.append({"record": f"panel:{number}", "expr": expression})
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, allow_unicode=True))

    done = subprocess.run([promtool(), "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# ── ours ──────────────────────────────────────────────────────────────────────────────────────────────────────


def known() -> set[str]:
    found = set(recorded()) | OTHERS
    for name in names.ALL:
        parts = ("_bucket", "_sum", "_count") if name.kind == "histogram" else ("",)
        found |= {f"{name.full}{part}" for part in parts}
    return found


def test_every_series_that_is_asked_for_is_one_that_there_is():
    for expression in expressions():
        for series, _ in series_of(expression):
            assert series in known(), expression


def test_every_metric_that_yidan_has_is_on_a_dashboard():
    asked = {series for expression in expressions() for series, _ in series_of(expression)}
    rules = recorded()
    asked |= {found for series in asked & set(rules) for found, _ in series_of(rules[series])}
    shown = {re.sub(r"_(bucket|sum|count)$", "", series) for series in asked} | asked
    assert [name.full for name in names.ALL if name.full not in shown] == []


def test_labels_that_are_asked_for_have_their_metric():
    table = {name.full: name for name in names.ALL}
    for expression in expressions():
        for series, matchers in series_of(expression):
            name = table.get(series) or table.get(re.sub(r"_(bucket|sum|count)$", "", series))
            if name is not None:
                labels = set(re.findall(r"(\w+)!?=~?\"", matchers)) - {"job", "instance", "le"}
                assert labels <= set(name.labels), expression


TOLD_BY_EACH = {
    *("yidan_operate_position", "yidan_spent_fen", "yidan_open_fen", "yidan_paid_out_fen", "yidan_payments_refused"),
    *("yidan_partitions", "yidan_readings", "yidan_partition_state"),
}
"""What several processes may tell of one thing: added up over instances it is too much by as many as there are."""


def test_what_every_process_tells_whole_is_not_added_up_over_instances():
    added = re.compile(rf"\bsum(?: by \([^)]*\) )?\((?:\w+\()?(?:{'|'.join(sorted(TOLD_BY_EACH))})\b")
    for expression in (*expressions(), *recorded().values()):
        assert not added.search(expression), expression


@each_dashboard
def test_every_panel_leads_to_a_heading_of_the_runbook(name):
    runbook = (ROOT / "ops" / "runbook.md").read_text("utf-8")
    anchors = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", runbook, re.MULTILINE)}
    for panel in panels(name):
        (link,) = [link["url"] for link in panel["links"] if "${runbook}" in link["url"]]
        address, _, anchor = link.partition("#")
        assert address == "${runbook}"
        assert anchor in anchors, panel["title"]
        assert f"#{anchor})" in panel["description"], panel["title"]
    assert variables(name)["runbook"]["query"].endswith("ops/runbook.md")


@each_dashboard
def test_each_dashboard_leads_to_the_others_and_marks_deploys_and_pack_changes(name):
    links = {link["url"] for link in DASHBOARDS[name]["links"]}
    assert links == {f"/d/{other}" for other in DASHBOARDS if other != name} | {"${runbook}"}
    marks = {each["name"]: each for each in DASHBOARDS[name]["annotations"]["list"]}
    assert set(marks) == {"部署 Deploys", "政策包 Pack changes"}
    assert marks["部署 Deploys"]["useValueForTime"] is True
    for panel in panels(name):
        for link in panel["links"]:
            if link["url"].startswith("/d/"):
                assert link["url"].split("?")[0].removeprefix("/d/") in DASHBOARDS


def test_grafana_finds_the_dashboards_where_compose_puts_them():
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/yidan.yml").read_text("utf-8"))["providers"]
    assert provider["allowUiUpdates"] is False
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    mounts = dict(mount.split(":")[:2] for mount in compose["services"]["grafana"]["volumes"])
    assert mounts["./ops/grafana/dashboards"] == provider["options"]["path"]


@each_dashboard
def test_its_preview_is_there_and_the_readme_says_what_it_is(name):
    picture = GRAFANA / "previews" / f"{name}.png"
    assert 20_000 < picture.stat().st_size < 400_000
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"ops/grafana/previews/{name}.png" in readme
    assert "not Grafana's rendering" in readme
