"""Every panel, variable and annotation shows something, asked of a real Prometheus that has seen a real run."""

import asyncio
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.files import DASHBOARDS, everything, filled, panels, targets, variables
from tests.dashboards.observed import Prometheus, missing, observed

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One run for all tests of this file."""
    if lacking := missing():
        pytest.skip(f"not installed: apt-get install {' '.join(lacking)}")
    with asyncio.Runner() as runner:
        watched = observed(tmp_path_factory.mktemp("observed"))
        prometheus = runner.run(watched.__aenter__())
        try:
            yield prometheus
        finally:
            runner.run(watched.__aexit__(None, None, None))


def shows(found: list[dict[str, Any]]) -> bool:
    """Whether a panel would draw anything: a number somewhere, and not only divisions of nothing by nothing."""
    values = [value for series in found for _, value in series.get("values") or [series["value"]]]
    return any(not math.isnan(float(value)) for value in values)


def test_every_query_of_every_panel_shows_something(run: Prometheus):
    values = everything(run.seconds)
    empty = []
    for target in targets():
        asked = filled(target.expression, values)
        if not shows(run.at_the_end(asked) if target.instant else run.over_time(asked)):
            empty.append(str(target))
    assert empty == []


def test_every_variable_offers_something(run: Prometheus):
    values = everything(run.seconds)
    for name, dashboard in DASHBOARDS.items():
        for variable in variables(name).values():
            if variable["type"] == "query":
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
                assert run.label_values(filled(selector, values), label), (dashboard["title"], variable["name"])


def test_deploys_and_pack_changes_are_marked(run: Prometheus):
    values = everything(run.seconds)
    for dashboard in DASHBOARDS.values():
        for mark in dashboard["annotations"]["list"]:
            assert shows(run.over_time(filled(mark["target"]["expr"], values))), (dashboard["title"], mark["name"])
    deploys = {mark["name"]: mark for mark in DASHBOARDS["yidan-overview"]["annotations"]["list"]}["部署 Deploys"]
    starts = {
        float(value) / 1000
        for series in run.over_time(filled(deploys["target"]["expr"], values))
        for _, value in series["values"]
    }
    assert len(starts) == 4, "three workers and one that derives"
    assert all(run.began - 5 < start < run.ended for start in starts)


def test_the_first_tile_is_red_while_the_store_is_away_and_green_in_the_end(run: Prometheus):
    (first, *_) = panels("yidan-overview")
    assert first["title"] == "结算是否正常"
    asked = filled(first["targets"][0]["expr"], everything(run.seconds))
    (verdict,) = run.over_time(asked)
    told = [float(value) for _, value in verdict["values"]]
    assert max(told) >= 1
    assert told[-1] == 0
