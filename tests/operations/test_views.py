"""Views are the same however often, in which order and by whom payouts are taken in."""

import json
import random
from collections import Counter
from typing import Any

import pytest

from contracts.clearing import READ_STATEMENT
from contracts.pack import PackSet
from contracts.pack_file import SHIPPED, load_pack
from contracts.payout import READ_PAYOUT
from contracts.reconciliation import parse_signed
from tests.operations.payouts import Dated, made_of, moved, reversed_, settled
from tests.packs.shelves import COUNTIES
from workers.contracts_book.examples import REVERSED, SETTLED_LATER
from workers.operations.owed import owed
from workers.operations.parts import PERSONS, STATISTICS, in_china
from workers.operations.payments import Payments
from workers.operations.statements import spent, statement, statements
from workers.operations.statistics import corrections, statistics
from workers.operations.views import PartitionView, Views
from workers.rehearsal.county import county
from workers.settlement.offline import Settler
from workers.settlement.validate import partition_of

P = 3

COUNTY_OF_MANY = made_of(county(settlements=400, persons=25, seed=7))


def spread(payouts: list[Dated]) -> list[list[tuple[int, Dated]]]:
    """Payouts by partition with offsets that have gaps, as transaction markers leave them."""
    logs: list[list[tuple[int, Dated]]] = [[] for _ in range(P)]
    for payout, at in payouts:
        log = logs[partition_of(payout["psn_no"].encode(), P)]
        log.append((2 * len(log), (payout, at)))
    return logs


def derived(payouts: list[Dated]) -> Views:
    views = Views(P)
    for partition, log in enumerate(spread(payouts)):
        for offset, (payout, at) in log:
            views.take(partition, offset, payout, at)
    return views


def told(views: Views) -> Any:
    """Everything that can be read from the views."""
    return json.loads(
        json.dumps(
            [
                statistics(views, hours=True),
                statements(views),
                spent(views),
                list(corrections(views)),
                owed(views, Payments(P), "2021-12-31"),
            ]
        )
    )


# ── sums ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sums_are_those_of_the_payouts_to_the_fen():
    payouts = [payout for payout, _ in COUNTY_OF_MANY]
    views = derived(COUNTY_OF_MANY)
    hospitals = [each for each in statements(views) if each["type"] == "clearing_statement"]
    assert sum(parse_signed(each["fund_appy_sum"]) for each in hospitals) == moved(payouts, "fixmedins")
    assert sum(parse_signed(row["amount"]) for row in corrections(views)) == moved(payouts, "person")
    assert sum(parse_signed(row["fund_appy_sum"]) for row in spent(views)) == moved(payouts)
    rows = statistics(views)
    ways = ("paid", "returned", "topped_up", "clawed_back")
    assert sum(parse_signed(row[way]) for row in rows for way in ways) == moved(payouts)
    whole: Counter[str] = Counter()
    for row in rows:
        whole.update(row["payouts"] if row["layer"] is None else {})
    assert whole == Counter(payout["kind"] for payout in payouts)
    assert sum(row["settlements"] for row in rows) == whole["settlement"]
    assert moved(payouts, "person") != 0


def test_what_is_returned_or_clawed_back_is_never_positive():
    rows = statistics(derived(COUNTY_OF_MANY))
    assert all(parse_signed(row[way]) <= 0 for row in rows for way in ("returned", "clawed_back"))
    assert all(parse_signed(row[way]) >= 0 for row in rows for way in ("paid", "topped_up"))


def test_a_reversal_gives_a_person_back_what_had_been_asked_back_of_them_and_that_is_paid():
    both = [REVERSED, {**REVERSED, "msgid": "R2", "setl_id": "S2021-0002", "setl_time": "2021-11-01T09:00:00+08:00"}]
    rows = statistics(derived(made_of([settled(), SETTLED_LATER, *both])), day="2021-11")
    moved_then = {row["layer"]: (row["paid"], row["returned"]) for row in rows if row["layer"]}
    assert moved_then["assistance_inpatient"] == ("200.00", "-24000.00")
    assert {row["layer"]: row["payouts"] for row in rows}["assistance_inpatient"] == {"reversal": 1}


def test_every_statement_is_valid_by_its_model():
    for each in statements(derived(COUNTY_OF_MANY)):
        READ_STATEMENT.validate_json(json.dumps(each))


def test_statistics_hold_no_person():
    views = derived(COUNTY_OF_MANY)
    text = json.dumps([[list(key), value] for key, value in views.each(STATISTICS)])
    for payout, _ in COUNTY_OF_MANY[:50]:
        assert payout["psn_no"] not in text
        assert payout.get("setl_id", "S") not in text


def test_what_is_owed_up_to_the_last_day_of_a_year_is_what_its_statements_say():
    views = derived(COUNTY_OF_MANY)
    for year in ("2020", "2021"):
        rows = [each for each in statements(views) if each["type"] == "clearing_statement"]
        said = sum(parse_signed(each["fund_appy_sum"]) for each in rows if each["setlym"].startswith(year))
        assert sum(parse_signed(row["fund_appy_sum"]) for row in owed(views, Payments(P), f"{year}-12-31")) == said
    days = [in_china(at).strftime("%Y-%m-%d") for _, at in COUNTY_OF_MANY]
    some = sorted(day for day in days if day.startswith("2021"))[20]
    until = [
        payout
        for payout, at in COUNTY_OF_MANY
        if some[:4] + "-01-01" <= in_china(at).strftime("%Y-%m-%d") <= some and payout["kind"] != "application"
    ]
    assert sum(parse_signed(row["fund_appy_sum"]) for row in owed(views, Payments(P), some)) == moved(
        until, "fixmedins"
    )


# ── replays, owners, logs ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(20))
def test_processes_that_die_replay_and_overwrite_each_other_end_with_the_same_views(seed):
    """Owners die anywhere, also between two records; some fall asleep and write the rest of theirs much later."""
    dice = random.Random(seed)
    known = Views(P)
    for partition, payouts in enumerate(spread(COUNTY_OF_MANY)):
        log: list[tuple[bytes, bytes]] = []
        asleep: list[list[tuple[bytes, bytes]]] = []
        while read_from(log).position <= payouts[-1][0]:
            written = life_of_an_owner(read_from(log), payouts, dice)
            awake = dice.randrange(len(written) + 1) if dice.random() < 0.5 else len(written)
            log += written[:awake]
            asleep.append(written[awake:])
            for late in dice.sample(asleep, dice.randrange(len(asleep) + 1)):
                log += [late.pop(0) for _ in range(dice.randrange(len(late) + 1))]
        for key, value in [*log, *(record for late in asleep for record in late)]:
            known.merge(partition, key, value)
    assert told(known) == told(derived(COUNTY_OF_MANY))


def life_of_an_owner(
    view: PartitionView, payouts: list[tuple[int, Dated]], dice: random.Random
) -> list[tuple[bytes, bytes]]:
    """What one process writes before it dies, in its own order."""
    written: list[tuple[bytes, bytes]] = []
    for offset, (payout, at) in payouts:
        view.take(offset, payout, at)
        if dice.random() < 0.1 or offset == payouts[-1][0]:
            written += view.to_write()
            if dice.random() < 0.1:
                return written[: len(written) - dice.randrange(5)]
    return written


def read_from(log: list[tuple[bytes, bytes]]) -> PartitionView:
    views = Views(1)
    for key, value in log:
        views.merge(0, key, value)
    return views.partitions[0]


def test_the_owner_says_again_what_somebody_behind_has_overwritten():
    first, second = COUNTY_OF_MANY[0], COUNTY_OF_MANY[0]
    ahead, behind = PartitionView(), PartitionView()
    for view, taken in ((behind, [first]), (ahead, [first, second])):
        for offset, (payout, at) in enumerate(taken):
            view.take(offset, payout, at)
    log = [*ahead.to_write(), *behind.to_write()]
    for key, value in log[len(log) // 2 :]:
        owner = Views(1)
        owner.partitions[0] = ahead
        owner.merge(0, key, value)
    compacted = dict([*log, *ahead.to_write()])
    assert read_from(list(compacted.items())).parts == ahead.parts


def test_a_rebuild_forgets_the_earlier_epoch_and_what_its_processes_still_write():
    (payout, at), *_ = COUNTY_OF_MANY
    old, new = PartitionView(), PartitionView()
    old.take(0, payout, at)
    new.forget(1)
    wrong = old.to_write()
    assert read_from([*wrong, *new.to_write(), *wrong]).parts == {}
    new.take(0, payout, at)
    assert read_from([*wrong, *new.to_write(), *wrong]).parts == new.parts


def test_a_statement_of_which_a_rebuild_has_derived_nothing_yet_is_none():
    views = derived(COUNTY_OF_MANY)
    for view in views.partitions:
        view.forget(1)
    assert views.touched
    assert {statement(views, key) for key in views.touched} == {None}


# ── statements ────────────────────────────────────────────────────────────────────────────────────────────────


def by_month(payouts: list[Dated]) -> dict[str, tuple[Any, ...]]:
    """Of the assistance fund: cases, refunds, paid, returned, in all, and the revision."""
    names = ("fixmedins_setl_cnt", "refd_setl_cnt", "paid", "returned", "fund_appy_sum", "revision")
    return {
        str(each["setlym"]): tuple(each[name] for name in names)  # type: ignore[literal-required]
        for each in statements(derived(payouts))
        if each["type"] == "clearing_statement" and each["fund_pay_type"] == "610100"
    }


def test_a_reversal_is_a_line_of_the_month_in_which_it_was_booked_and_the_settlement_stays():
    events = [settled(), reversed_("S2021-0001", "2021-04-01T09:00:00+08:00")]
    assert by_month(made_of(events[:1])) == {"202103": (1, 0, "14000.00", "0.00", "14000.00", 1)}
    assert by_month(made_of(events)) == {
        "202103": (1, 0, "14000.00", "0.00", "14000.00", 1),
        "202104": (0, 1, "0.00", "-14000.00", "-14000.00", 1),
    }


def test_an_event_that_comes_late_revises_its_own_month():
    late = settled(setl_id="S2021-0009", msgid="M9", setl_time="2021-03-30T08:00:00+08:00")
    between = settled(setl_id="S2021-0005", msgid="M5", setl_time="2021-05-02T08:00:00+08:00")
    revisions = [by_month(made_of([settled(), between, late][:n]))["202103"][-1] for n in (1, 2, 3)]
    assert revisions == [1, 1, 2]


def test_days_and_months_are_those_of_china():
    (payout, _), *_ = made_of([settled(setl_time="2021-03-31T16:30:00Z")])
    views = derived([(payout, "2021-03-31T16:30:00Z")])
    assert {row["day"] for row in statistics(views)} == {"2021-04-01"}
    assert {row["hour"] for row in statistics(views, hours=True)} == {"00"}


def test_the_kind_of_care_parts_statements():
    cares = {"21": "21", "2102": "21", "14": "11", "11": "11", "41": "99"}
    for med_type, clr_type in cares.items():
        ((payout, _),) = made_of([settled(med_type=med_type)])
        assert payout["clr_type"] == clr_type


def test_corrections_list_what_persons_are_given_or_owe_and_why():
    later = SETTLED_LATER
    events = [settled(), later, reversed_("S2021-0001", "2021-10-08T09:00:00+08:00")]
    rows = list(corrections(derived(made_of(events)), month="202110"))
    assert rows
    for row in rows:
        assert row["direction"] == ("应退" if row["amount"].startswith("-") else "应补")
        assert row["correction"] == ("clawback" if row["amount"].startswith("-") else "top_up")
        assert (row["setl_id"], row["psn_no"], row["cause"]["type"]) == ("S2021-0002", later["psn_no"], "reversed")
    assert not list(corrections(derived(made_of(events)), month="202109"))
    assert not [value for key, value in derived(made_of(events[:2])).each(PERSONS)]


def test_an_insurer_clears_its_layer_with_the_county_for_the_year_and_nothing_else():
    pack = load_pack(
        [path.read_text(encoding="utf-8") for path in (SHIPPED / "taizhou.toml", COUNTIES / "wanghai.toml")]
    )
    settler = Settler(PackSet([pack]))
    event = settled(insuplc_admdvs="331099")
    (payout,) = settler.take(json.dumps(event).encode()).payouts
    carried = READ_PAYOUT.validate_json(json.dumps(payout))
    assert carried["pack"]["carrier"] == pack.carrier
    found = statements(derived([(json.loads(json.dumps(payout)), event["setl_time"])]))
    assert [
        (each["carrier"], each["year"], each["layer"], each["fund_appy_sum"], each["revision"])
        for each in found
        if each["type"] == "carrier_statement"
    ] == [(pack.carrier, 2021, "supplementary", "5000.00", 1)]
    assert {each["fund_pay_type"]: each["carrier"] for each in found if each["type"] == "clearing_statement"} == {
        "999997": pack.carrier,
        "610100": None,
    }
