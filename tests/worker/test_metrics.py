"""Metrics: names, closed lists of labels, and sums that agree with what was settled."""

import re

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
from workers.adjudication.books import Outcome
from workers.metrics import OUTCOMES, Metrics, PartitionState, Phase
from workers.settlement.pipeline import Counts, Movement
from workers.settlement.ports import StopReason


def new() -> Metrics:
    return Metrics(version="1.2.3", regions=("331000",), registry=CollectorRegistry())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"yidan_{name}", labels)


def counts() -> Counts:
    found = Counts()
    found.effects.update({("settled", "settled"): 5, ("settled", "repeated"): 1, ("identity_changed", "changed"): 2})
    found.refusals.update({"send_money_as_string": 1})
    found.payouts.update({"settlement": 5})
    found.signals.update({("cap_reached", "raised"): 1})
    found.moved.update(
        {
            ("331000", "supplementary", Movement.PAID): 150_050,
            ("331000", "assistance_inpatient", Movement.RETURNED): 20_000,
            ("331000", "assistance_inpatient", Movement.TOP_UP): 300,
            ("331000", "assistance_inpatient", Movement.CLAWBACK): 4,
        }
    )
    found.lines.update({("basic", "reported"): 5, ("supplementary", "nothing_left"): 2})
    return found


def test_a_batch_is_counted_by_topic_and_outcome_and_what_is_left_was_refused():
    metrics = new()
    metrics.batch(counts(), {DISCHARGES: 7, PERSONS: 2}, 0.5)
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="settled") == 5
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="repeated") == 1
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="refused") == 1
    assert value(metrics, "events_total", topic=PERSONS, outcome="changed") == 2
    assert value(metrics, "events_total", topic=APPLICATIONS, outcome="refused") == 0
    assert value(metrics, "refusals_total", reason="send_money_as_string") == 1
    assert value(metrics, "payouts_total", kind="settlement") == 5
    assert value(metrics, "signals_total", kind="cap_reached", state="raised") == 1
    assert value(metrics, "lines_total", layer="supplementary", status="nothing_left") == 2
    assert value(metrics, "event_age_seconds_sum") == 0.5
    assert value(metrics, "batch_records_sum") == 9


def test_every_effect_that_an_event_may_have_is_an_outcome_of_its_own():
    said = re.findall(r"`([a-z]+)`", str(Outcome.__doc__))
    assert {"settled", "repeated", "refused"} < set(said)
    assert set(said) - {"effect"} <= set(OUTCOMES)


def test_money_is_in_yuan_and_returns_top_ups_and_clawbacks_are_counted_apart():
    metrics = new()
    metrics.batch(counts(), {DISCHARGES: 7}, 0.0)
    assert value(metrics, "paid_yuan_total", region="331000", layer="supplementary") == 1500.50
    assert value(metrics, "returned_yuan_total", region="331000", layer="assistance_inpatient") == 200.0
    assert value(metrics, "top_ups_yuan_total", region="331000", layer="assistance_inpatient") == 3.0
    assert value(metrics, "clawbacks_yuan_total", region="331000", layer="assistance_inpatient") == 0.04
    assert value(metrics, "paid_yuan_total", region="331000", layer="assistance_inpatient") == 0


def test_a_label_that_is_not_on_its_list_is_counted_as_other_and_makes_one_series_only():
    metrics = new()
    before = metrics.page().count(b"\n")
    for stranger in ("P330000000001", "P330000000002", "P330000000003"):
        found = Counts()
        found.refusals[stranger] += 1
        found.moved[stranger, "supplementary", Movement.PAID] += 100
        metrics.batch(found, {}, 0.0)
    assert value(metrics, "refusals_total", reason="other") == 3
    assert value(metrics, "paid_yuan_total", region="other", layer="supplementary") == 3
    page = metrics.page()
    assert b"P3300000" not in page
    assert page.count(b"\n") <= before + 4


def test_a_partition_is_in_one_state_and_leaves_no_trace_when_it_goes():
    metrics = new()
    metrics.state(3, PartitionState.TAKING_OVER)
    metrics.state(3, PartitionState.OWNED)
    metrics.lag(3, {DISCHARGES: 12}, 4.0)
    assert value(metrics, "partition_state", partition="3", state="owned") == 1
    assert value(metrics, "partition_state", partition="3", state="taking_over") == 0
    assert value(metrics, "lag_records", topic=DISCHARGES, partition="3") == 12
    metrics.state(3, PartitionState.STOPPED, StopReason.INPUT_IS_LOST)
    assert value(metrics, "partition_stopped", partition="3", reason="input_is_lost") == 1
    metrics.state(3, PartitionState.TAKING_OVER)
    assert value(metrics, "partition_stopped", partition="3", reason="input_is_lost") is None
    metrics.state(3, None)
    assert b'partition="3"' not in metrics.page()


def test_the_page_can_be_read_by_prometheus_and_every_name_is_ours_and_explained():
    metrics = new()
    metrics.packs([("331000", "sha256:abc")])
    metrics.phase(Phase.COMMIT, 0.01)
    families = list(text_string_to_metric_families(metrics.page().decode()))
    assert len(families) > 20
    for family in families:
        assert re.fullmatch(r"yidan_[a-z_]+", family.name), family.name
        assert family.documentation.endswith(".")
    assert value(metrics, "build_info", version="1.2.3") == 1
    assert value(metrics, "pack_info", region="331000", digest="sha256:abc") == 1
