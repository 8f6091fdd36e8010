"""Metrics: names, closed lists of labels, and sums that agree with what was settled."""

import re
import subprocess
from datetime import datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from contracts.pack_file import load_directory
from contracts.quarantine import REPLAYED_FROM
from contracts.topics import APPLICATIONS, DISCHARGES, INPUTS, PERSONS
from contracts.vocabulary import LayerId, Reason
from tests.promtool import promtool
from workers.adjudication.books import Outcome
from workers.cli import app
from workers.metrics import (
    OUTCOMES,
    Errand,
    Metrics,
    PartitionState,
    Phase,
    QuarantineMetrics,
    Restore,
    TakeOverCause,
    Transaction,
    names,
)
from workers.metrics.operate import OperateMetrics
from workers.metrics.textfile import write_audit, write_quarantine
from workers.metrics.words import ClaimResult, OpenAge
from workers.settlement.inbox import Waiting
from workers.settlement.pipeline import Counts, Movement
from workers.settlement.ports import StopReason
from workers.settlement.reached import Reached
from workers.settlement.records import Incoming
from workers.settlement.watched import Operation

COMMANDS = {
    *("yidan_audit_drift", "yidan_audit_timestamp_seconds", "yidan_quarantine_timestamp_seconds"),
    *("yidan_operate_position", "yidan_operate_behind_seconds", "yidan_spent_fen", "yidan_statements", "yidan_claims"),
    *("yidan_open_fen", "yidan_paid_out_fen", "yidan_payments_refused"),
}
"""Of the table, but not a worker's."""

SUPPLEMENTARY = ("331000", "supplementary", "999997")
ASSISTANCE = ("331000", "assistance_inpatient", "610100")


def new() -> Metrics:
    return Metrics(
        version="1.2.3", regions=("331000",), funds=[SUPPLEMENTARY, ASSISTANCE], registry=CollectorRegistry()
    )


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"yidan_{name}", labels)


def waiting(topic: str, *timestamps_ms: int, headers: tuple[tuple[str, bytes], ...] = ()) -> list[Waiting]:
    return [Waiting(Incoming(topic, 0, n, None, b"", headers), at) for n, at in enumerate(timestamps_ms)]


def counts() -> Counts:
    found = Counts()
    found.effects.update({("settled", "settled"): 5, ("settled", "repeated"): 1, ("identity_changed", "changed"): 2})
    found.refusals.update({"send_money_as_string": 1})
    found.payouts.update({"settlement": 5})
    found.signals.update({("cap_reached", "raised"): 1})
    found.moved.update(
        {
            (*SUPPLEMENTARY, "fixmedins", Movement.PAID): 150_050,
            (*ASSISTANCE, "fixmedins", Movement.RETURNED): 20_000,
            (*ASSISTANCE, "person", Movement.TOP_UP): 300,
            (*ASSISTANCE, "person", Movement.CLAWBACK): 4,
        }
    )
    found.lines.update({("basic", "reported"): 5, ("supplementary", "nothing_left"): 2})
    return found


def test_a_batch_is_counted_by_topic_and_outcome_and_what_is_left_was_refused():
    metrics = new()
    metrics.batch(counts(), [*waiting(DISCHARGES, *range(7)), *waiting(PERSONS, 0, 1)], 1.0)
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="settled") == 5
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="repeated") == 1
    assert value(metrics, "events_total", topic=DISCHARGES, outcome="refused") == 1
    assert value(metrics, "events_total", topic=PERSONS, outcome="changed") == 2
    assert value(metrics, "events_total", topic=APPLICATIONS, outcome="refused") == 0
    assert value(metrics, "refusals_total", reason="send_money_as_string") == 1
    assert value(metrics, "payouts_total", kind="settlement") == 5
    assert value(metrics, "signals_total", kind="cap_reached", state="raised") == 1
    assert value(metrics, "lines_total", layer="supplementary", status="nothing_left") == 2
    assert value(metrics, "batch_records_sum") == 9


def test_the_wait_of_every_record_is_observed_and_not_only_that_of_the_oldest():
    metrics = new()
    metrics.batch(Counts(), [*waiting(DISCHARGES, 1_000, 94_999, 95_000, 99_995), *waiting(PERSONS, 99_000)], 100.0)
    within = [
        value(metrics, "record_seconds_bucket", topic=DISCHARGES, le=le) for le in ("0.01", "5.0", "10.0", "+Inf")
    ]
    assert within == [1, 2, 3, 4]
    assert value(metrics, "record_seconds_count", topic=PERSONS) == 1
    assert value(metrics, "record_seconds_sum", topic=DISCHARGES) == pytest.approx(99 + 5.001 + 5 + 0.005)


def test_a_clock_that_is_behind_the_senders_makes_no_negative_wait():
    metrics = new()
    found = Counts()
    found.setl_times.append("2021-03-02T10:15:10+08:00")
    metrics.batch(found, waiting(DISCHARGES, 5_000), 1.0)
    assert value(metrics, "record_seconds_sum", topic=DISCHARGES) == 0


@pytest.mark.parametrize("time", ["2021-03-02T10:15:00+08:00", "2021-03-02 10:15+08:00", "2021-03-02t02:15:00z"])
def test_the_age_of_an_event_is_told_from_its_own_time_however_it_is_written(time):
    metrics = new()
    found = Counts()
    found.setl_times.append(time)
    metrics.batch(found, [], datetime.fromisoformat("2021-03-02T10:16:40+08:00").timestamp())
    assert value(metrics, "event_age_seconds_sum") == 100


def test_a_record_that_was_sent_again_from_quarantine_is_counted_apart():
    metrics = new()
    again = waiting(DISCHARGES, 0, headers=((REPLAYED_FROM, b"onestop.discharges.v1/0/7"),))
    metrics.batch(Counts(), [*again, *waiting(DISCHARGES, 0, headers=(("trace", b"x"),))], 1.0)
    assert value(metrics, "replayed_records_total", topic=DISCHARGES) == 1


def test_every_effect_that_an_event_may_have_is_an_outcome_of_its_own():
    said = re.findall(r"`([a-z]+)`", str(Outcome.__doc__))
    assert {"settled", "repeated", "refused"} < set(said)
    assert set(said) - {"effect"} <= set(OUTCOMES)


def test_every_reason_that_a_row_can_pay_nothing_for_has_an_outcome():
    without_row = {
        Reason.NOT_IN_FORCE,
        Reason.OTHER_INSURANCE,
        Reason.CARE_NOT_COVERED,
        Reason.EXCLUDED_CAUSE,
        Reason.DELEGATED,
        Reason.NO_IDENTITY,
        Reason.REVERSED,
    }
    assert {reason.value for reason in set(Reason) - without_row} < {outcome.value for outcome in Reached}


def test_money_is_in_fen_by_fund_and_payee_and_each_way_it_moves_is_counted_apart():
    metrics = new()
    metrics.batch(counts(), [], 0.0)

    def moved(way: str, region: str, layer: str, fund: str, payee: str) -> float | None:
        return value(metrics, f"{way}_fen_total", region=region, layer=layer, fund=fund, payee=payee)

    assert moved("paid", *SUPPLEMENTARY, "fixmedins") == 1_500_50
    assert moved("returned", *ASSISTANCE, "fixmedins") == 200_00
    assert moved("top_ups", *ASSISTANCE, "person") == 3_00
    assert moved("clawbacks", *ASSISTANCE, "person") == 4
    assert moved("paid", *ASSISTANCE, "fixmedins") == 0, "what may be paid is shown before anything is"


def test_the_figures_that_policies_set_targets_for_are_counted_by_region():
    metrics = new()
    found = Counts()
    found.reached["331000", "assistance_inpatient", Reached.CUT] += 2
    found.caps_reached["331000", "assistance_inpatient"] += 1
    found.residents_inpatient["331000"] = (100_000, 75_000)
    metrics.batch(found, [], 0.0)
    where = {"region": "331000", "layer": "assistance_inpatient"}
    assert value(metrics, "layer_settlements_total", **where, outcome="cut") == 2
    assert value(metrics, "caps_reached_total", **where) == 1
    assert value(metrics, "residents_inpatient_in_scope_fen_total", region="331000") == 100_000
    assert value(metrics, "residents_inpatient_basic_fund_fen_total", region="331000") == 75_000


def test_a_label_that_is_not_on_its_list_is_counted_as_other_and_makes_one_series_only():
    metrics = new()
    before = metrics.page().count(b"\n")
    for stranger in ("P330000000001", "P330000000002", "P330000000003"):
        found = Counts()
        found.refusals[stranger] += 1
        found.moved[stranger, "supplementary", "999997", "person", Movement.PAID] += 100
        found.reached[stranger, "supplementary", "paid"] += 1
        metrics.batch(found, [], 0.0)
    assert value(metrics, "refusals_total", reason="other") == 3
    strange = {"region": "other", "layer": "supplementary"}
    assert value(metrics, "paid_fen_total", **strange, fund="999997", payee="person") == 300
    assert value(metrics, "layer_settlements_total", **strange, outcome="paid") == 3
    page = metrics.page()
    assert b"P3300000" not in page
    assert page.count(b"\n") <= before + 6


def test_a_partition_is_in_one_state_and_leaves_no_trace_when_it_goes():
    metrics = new()
    metrics.state(3, PartitionState.TAKING_OVER)
    metrics.state(3, PartitionState.OWNED)
    metrics.lag(3, {DISCHARGES: 12}, 4.0, 0.5)
    assert value(metrics, "partition_state", partition="3", state="owned") == 1
    assert value(metrics, "partition_state", partition="3", state="taking_over") == 0
    assert value(metrics, "lag_records", topic=DISCHARGES, partition="3") == 12
    assert value(metrics, "unheard_seconds", partition="3") == 0.5
    metrics.state(3, PartitionState.STOPPED, StopReason.INPUT_IS_LOST)
    assert value(metrics, "partition_stopped", partition="3", reason="input_is_lost") == 1
    metrics.state(3, PartitionState.TAKING_OVER)
    assert value(metrics, "partition_stopped", partition="3", reason="input_is_lost") is None
    metrics.state(3, None)
    assert b'partition="3"' not in metrics.page()


def test_a_worker_names_its_packs_their_funds_and_the_readings_that_nobody_has_confirmed():
    packs = load_directory()
    metrics = Metrics.of(packs, version="1.2.3")
    for pack in packs.packs:
        assert value(metrics, "pack_info", region=pack.region, digest=pack.digest) == 1
        assert value(metrics, "readings", region=pack.region, status="assumed")
        assert value(metrics, "readings", region=pack.region, status="overruled") is not None
        for layer in pack.layers:
            funds = set(layer.fund_pay_types.values()) or {layer.fund_pay_type}
            for fund in funds:
                where = {"region": pack.region, "layer": layer.id, "fund": fund, "payee": "person"}
                assert value(metrics, "paid_fen_total", **where) == 0
    assert metrics.page().count(b"\nyidan_") < 1_500, "what is shown before anything has happened stays readable"


def everything() -> bytes:
    """A page on which every metric of the table has a value."""
    metrics = new()
    metrics.packs([("331000", "sha256:abc")])
    metrics.readings("331000", [load_directory().packs[0].texts])
    metrics.phase(Phase.COMMIT, 0.01)
    metrics.store(Operation.APPLY, 0.001, failed=True)
    metrics.transaction(Transaction.UNKNOWN)
    metrics.taken_over(TakeOverCause.FENCED)
    metrics.restored(Errand.TAKE_OVER, Restore.REBUILD, 2.0)
    metrics.state(0, PartitionState.STOPPED, StopReason.INPUT_IS_LOST)
    metrics.lag(0, dict.fromkeys(INPUTS, 1), 1.0, 0.5)
    found = counts()
    found.reached["331000", "assistance_inpatient", Reached.PAID] += 1
    found.caps_reached["331000", "assistance_inpatient"] += 1
    found.setl_times.append("2021-03-02T10:15:00+08:00")
    metrics.batch(found, waiting(DISCHARGES, 0), 1.0)
    QuarantineMetrics(metrics.registry).show({("send_money_as_string", DISCHARGES): 2}, 1_000)
    return metrics.page()


def test_the_page_can_be_read_by_prometheus_and_every_name_is_in_the_table_and_explained():
    families = list(text_string_to_metric_families(everything().decode()))
    ours = {family.name: family for family in families if not family.name.startswith("process_")}
    table = {f"yidan_{name.name}": name for name in names.ALL}
    assert set(table) - set(ours) == COMMANDS
    assert set(ours) <= set(table)
    for name, family in ours.items():
        assert re.fullmatch(r"yidan_[a-z_]+", name), name
        assert family.documentation.endswith("."), name
        assert family.samples, name
        assert {label for sample in family.samples for label in sample.labels} - {"le"} <= set(table[name].labels)


def test_what_the_page_holds_is_what_promtool_calls_clean():
    checked = subprocess.run(
        [promtool(), "check", "metrics"], input=everything(), capture_output=True, check=False, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_what_lies_in_quarantine_is_shown_anew_each_time_and_strangers_are_added_up():
    registry = CollectorRegistry()
    shown = QuarantineMetrics(registry)

    def is_open(topic: str, reason: str) -> float | None:
        return registry.get_sample_value("yidan_quarantine_open_records", {"topic": topic, "reason": reason})

    shown.show({("no_pack_for_region", DISCHARGES): 3, ("later", DISCHARGES): 1, ("latest", DISCHARGES): 1}, 5_000)
    assert is_open(DISCHARGES, "no_pack_for_region") == 3
    assert is_open(DISCHARGES, "other") == 2
    assert registry.get_sample_value("yidan_quarantine_oldest_timestamp_seconds") == 5
    shown.show({}, None)
    assert b'topic="' not in generate_latest(registry)
    assert registry.get_sample_value("yidan_quarantine_oldest_timestamp_seconds") == 0


def test_what_a_command_has_found_is_a_file_that_is_there_as_a_whole(tmp_path):
    write_audit(tmp_path / "audit.prom", 3)
    write_quarantine(tmp_path / "quarantine.prom", {("no_pack_for_region", DISCHARGES): 2}, 5_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.prom", "quarantine.prom"]
    said = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "\nyidan_audit_drift 3.0\n" in said
    assert "\nyidan_audit_timestamp_seconds 1" in said
    assert f'yidan_quarantine_open_records{{reason="no_pack_for_region",topic="{DISCHARGES}"}} 2.0\n' in said
    assert "\nyidan_quarantine_oldest_timestamp_seconds 5.0\n" in said
    assert "\nyidan_quarantine_timestamp_seconds 1" in said


def test_a_part_of_the_truth_is_not_written_as_the_whole():
    part = CliRunner().invoke(app, ["audit", "--partition", "0", "--textfile", "x.prom"])
    assert (part.exit_code, "--textfile: of all partitions" in part.stderr) == (2, True)
    part = CliRunner().invoke(app, ["quarantine", "list", "--topic", "discharges", "--textfile", "x.prom"])
    assert (part.exit_code, "--textfile: of everything" in part.stderr) == (2, True)


def test_operate_shows_how_far_its_views_are_what_they_hold_and_what_it_has_said():
    metrics = OperateMetrics("1.2.3")
    metrics.written(["clearing_statement", "clearing_statement", "carrier_statement"])
    metrics.answered(ClaimResult.UNEVEN)
    metrics.page([0, 0], {SUPPLEMENTARY: 1})
    page = metrics.page([7, 0], {ASSISTANCE: 1_400_050})
    assert b'yidan_operate_position{partition="0"} 7.0\n' in page
    assert b'yidan_spent_fen{fund="610100",layer="assistance_inpatient",region="331000"} 1.40005e+06\n' in page
    assert b'layer="supplementary"' not in page
    assert b'yidan_statements_total{kind="clearing_statement"} 2.0\n' in page
    assert b'yidan_claims_total{result="uneven"} 1.0\n' in page
    assert b'yidan_claims_total{result="even"} 0.0\n' in page
    assert b'yidan_build_info{version="1.2.3"} 1.0\n' in page


def test_operate_shows_what_hospitals_are_owed_and_forgets_what_is_owed_no_longer():
    metrics = OperateMetrics("1.2.3")
    fund = ("331000", "610100")
    metrics.owing({("331000", "999997", OpenAge.DUE): 1}, {("331000", "999997"): 1}, 0)
    metrics.owing({(*fund, OpenAge.OVERDUE): 1_400_050, (*fund, OpenAge.DUE): 0}, {fund: 7}, 2)
    page = metrics.page([], {})
    assert b'yidan_open_fen{age="overdue",fund="610100",region="331000"} 1.40005e+06\n' in page
    assert b'yidan_paid_out_fen{fund="610100",region="331000"} 7.0\n' in page
    assert b"yidan_payments_refused 2.0\n" in page
    assert b'fund="999997"' not in page  # as a number it may stand in the time at which the process began


def test_no_label_is_a_person_a_settlement_or_a_hospital():
    labels = {label for name in names.ALL for label in name.labels}
    assert not labels & {"psn_no", "person", "setl_id", "mdtrt_id", "fixmedins_code", "certno", "key"}
    assert set(LayerId) >= {SUPPLEMENTARY[1], ASSISTANCE[1]}
