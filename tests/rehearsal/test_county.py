"""The synthetic county: the same bytes for the same seed, plausible people, and every kind of broken event."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import date, timedelta
from hashlib import sha256
from itertools import islice, pairwise
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.events import READ_EVENT
from contracts.fields import holds_card_number
from contracts.money import Fen
from workers.rehearsal import county as module
from workers.rehearsal.broken import BROKEN, NEEDS_AN_EARLIER_ONE, TOO_LARGE, card_number, encoded, whole
from workers.rehearsal.county import county, partition_key

SETTLEMENTS, PERSONS, SEED = 12_000, 1_500, 7
PARTS = ("fulamt_ownpay_amt", "overlmt_selfpay", "preselfpay_amt", "inscp_scp_amt")
FUNDS = ("hifp_pay", "hifmi_pay", "hifob_pay", "maf_pay", "oth_pay")

MODEL_ACCEPTS = {
    # What only the envelope, the pack or the ledger can refuse.
    "one_payment_exceeds_the_bill",
    "payments_together_exceed_the_bill",
    "assistance_is_already_paid",
    "supplementary_is_already_paid",
    "region_is_unknown",
    "card_number_in_psn_no",
    "card_number_in_setl_id",
    "card_number_in_msgid",
    "card_number_in_mdtrt_id",
    "card_number_ends_in_x",
    "setl_id_reused_with_other_content",
}


def fen(amount: str | int | None) -> Fen:
    yuan, _, rest = str(amount or 0).partition(".")
    return int(yuan) * 100 + int(rest.ljust(2, "0"))


@pytest.fixture(scope="module")
def stream() -> list[bytes]:
    return list(county(settlements=SETTLEMENTS, persons=PERSONS, seed=SEED, broken=False))


@pytest.fixture(scope="module")
def events(stream: list[bytes]) -> list[dict[str, Any]]:
    return [json.loads(event) for event in stream]


@pytest.fixture(scope="module")
def settled(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each settlement once, as it arrived first."""
    return list({event["setl_id"]: event for event in reversed(events) if event["type"] == "settled"}.values())[::-1]


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed():
    program = (
        "import hashlib; from workers.rehearsal.county import county; "
        "print(hashlib.sha256(b'\\n'.join(county(settlements=3_000, persons=400, seed=11))).hexdigest())"
    )
    here = sha256(b"\n".join(county(settlements=3_000, persons=400, seed=11))).hexdigest()
    for hash_seed in ("0", "1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        there = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        assert there.stdout.decode().strip() == here


def test_another_seed_gives_another_county():
    one, other = (list(county(settlements=100, persons=20, seed=seed)) for seed in (1, 2))
    assert not set(one) & set(other)


@pytest.mark.parametrize("persons", [1, 2, 50, 100_000])
@pytest.mark.parametrize("settlements", [0, 1, 7, 1_999])
def test_there_are_exactly_as_many_settlements_as_asked_and_no_more_persons(settlements, persons):
    made = [json.loads(event) for event in county(settlements=settlements, persons=persons, seed=3, broken=False)]
    assert len({event["setl_id"] for event in made if event["type"] == "settled"}) == settlements
    assert len({event["psn_no"] for event in made}) <= persons


def test_one_region_alone_gets_all_settlements():
    made = list(county(settlements=500, persons=50, seed=3, regions=["331127"], broken=False))
    assert {READ_EVENT.validate_json(event).insuplc_admdvs for event in made} == {"331127"}  # type: ignore[union-attr]
    assert len({json.loads(event)["setl_id"] for event in made}) == 500


@pytest.mark.parametrize(
    "asked",
    [
        {"regions": ["990000"]},
        {"regions": []},
        {"settlements": -1},
        {"persons": 0},
    ],
)
def test_what_cannot_be_made_is_refused_before_the_first_event(asked):
    with pytest.raises(ValueError):
        county(**{"settlements": 10, "persons": 5, "seed": 1, **asked})


def test_the_first_events_of_a_very_large_county_are_there_at_once():
    assert len(list(islice(county(settlements=10_000_000, persons=1_000_000, seed=1), 100))) == 100


def test_the_contract_accepts_every_good_event(stream):
    for event in stream:
        READ_EVENT.validate_json(event)


def test_every_event_is_compact_json_on_one_line(stream):
    for event in stream:
        assert encoded(json.loads(event)) == event
        assert b"\n" not in event


def test_the_four_parts_are_the_bill_and_the_funds_fit_into_it(settled):
    for event in settled:
        assert sum(fen(event[part]) for part in PARTS) == fen(event["medfee_sumamt"])
        # What funds pay comes out of what is in scope or borne first, never out of full self-pay.
        assert sum(fen(event.get(fund)) for fund in FUNDS) <= fen(event["inscp_scp_amt"]) + fen(event["preselfpay_amt"])


def test_no_fund_is_reported_for_a_layer_that_we_compute(settled):
    for event in settled:
        if event["insuplc_admdvs"] == "331127":
            assert event["oth_pay"] is None
        elif event["insuplc_admdvs"].startswith("3310"):
            assert event["enddate"] < "2019-07-01" or event["oth_pay"] is None
            assert event["enddate"] < "2020-07-01" or event["maf_pay"] is None
        else:
            assert event["hifmi_pay"] is None
            # Serious illness pays at most 80 % of what the basic fund left; assistance fits into the rest.
            left = fen(event["inscp_scp_amt"]) - fen(event["hifp_pay"]) - fen(event.get("hifob_pay"))
            assert fen(event["maf_pay"]) * 5 <= left


def test_every_region_reports_its_funds_now_and_then(settled):
    reported = {
        (event["insuplc_admdvs"][:4], fund, event["enddate"] >= "2020-07-01")
        for event in settled
        for fund in FUNDS
        if fen(event.get(fund))
    }
    assert {
        ("3310", "hifmi_pay", True),
        ("3310", "maf_pay", False),
        ("3310", "oth_pay", False),
        ("1401", "maf_pay", True),
        ("3311", "maf_pay", True),
        ("3311", "hifmi_pay", True),
        ("1401", "hifob_pay", True),
    } <= reported


def test_nothing_good_holds_what_could_be_an_identity_card_number(stream):
    for event in stream:
        assert not re.search(rb"\d{15}", event)
        assert not holds_card_number(event.decode())


def test_regions_care_insurance_and_identities_are_all_used(settled):
    counties = {event["insuplc_admdvs"] for event in settled}
    assert {"331002", "331081", "140105", "140122", "140123", "331127"} <= counties
    assert {event["insutype"] for event in settled} == {"310", "390"}
    assert {"11", "13", "14", "21", "2101", "2102", "22", "41", "52"} <= {event["med_type"] for event in settled}
    assert {event["enddate"][:4] for event in settled} == {"2018", "2019", "2020", "2021", "2022"}
    lists = [event["psn_idet"] for event in settled if "psn_idet" in event]
    assert {identity["psn_idet_type"] for identities in lists for identity in identities} == {
        *("2301", "2302", "2303", "2304", "2306", "2307", "236074", "230801", "2160", "2360"),
    }
    assert {len(identities) for identities in lists} == {0, 1, 2}
    assert len(lists) < len(settled)
    assert any(identity["endtime"] for identities in lists for identity in identities)
    assert {event["premium_subsidised"] for event in settled} == {None, True, False}
    assert {flag for event in settled for flag in event["exclusions"]} >= {"third_party", "work_injury"}
    abroad = [event for event in settled if event["mdtrtarea_admvs"][:2] != event["insuplc_admdvs"][:2]]
    assert 0.01 < len(abroad) / len(settled) < 0.08


def test_some_events_carry_fields_that_the_contract_does_not_know(settled):
    known = {*whole(1), *FUNDS, "acct_pay"}
    assert 0.02 < sum(bool(event.keys() - known) for event in settled) / len(settled) < 0.12


def test_people_are_ill_as_often_as_people_are(settled):
    stays, dialysis = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for event in settled:
        year = event["psn_no"], event["enddate"][:4]
        stays[year] += event["med_type"].startswith("2")
        dialysis[year] += event["med_type"] == "14"
    frequent = [count for count in stays.values() if count]
    assert sum(count <= 6 for count in frequent) / len(frequent) > 0.95
    assert max(dialysis.values()) > 100


def test_the_stays_of_a_person_seldom_overlap(settled):
    stays = defaultdict(list)
    for event in settled:
        if event["med_type"].startswith("2"):
            stays[event["psn_no"]].append((event["begndate"], event["enddate"]))
    pairs = overlaps = 0
    for own in stays.values():
        own.sort()
        pairs += len(own) - 1
        overlaps += sum(later[0] < earlier[1] for earlier, later in pairwise(own))
    assert overlaps / pairs < 0.03


def test_some_years_pass_the_warning_the_deductibles_and_the_caps(settled):
    bills, left = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for event in settled:
        year = event["insuplc_admdvs"][:4], event["psn_no"], event["enddate"][:4]
        bills[year] += fen(event["medfee_sumamt"])
        if event["med_type"].startswith("2"):
            left[year] += fen(event["inscp_scp_amt"]) + fen(event["preselfpay_amt"]) - fen(event["hifp_pay"])
    for region in ("3310", "1401", "3311"):
        years = [year for year in bills if year[0] == region]
        assert 0 < sum(bills[year] >= 300_000_00 for year in years) < len(years) / 20
        assert 0 < sum(left[year] > 50_000_00 for year in years) < len(years) / 5
    assert any(amount > 543_334_00 for year, amount in left.items() if year[0] == "1401")  # 10,000 + 400,000 / 75 %
    assert any(amount > 200_000_00 for year, amount in left.items() if year[0] == "3310")  # 100,000 / 50 %


def test_events_come_roughly_in_time_and_some_discharges_late(events, settled):
    latest = date.min
    for event in events:
        day = date.fromisoformat(event["setl_time"][:10])
        latest = max(latest, day)
        assert latest - day <= timedelta(days=50)
    assert all(event["begndate"] <= event["enddate"] <= event["setl_time"][:10] for event in settled)
    december = [event for event in settled if event["enddate"][5:7] == "12" and event["setl_time"][5:7] == "02"]
    assert len(december) > 10


def test_one_in_fifty_comes_again_as_it_was_or_as_a_new_message(stream, events):
    as_it_was = len(stream) - len(set(stream))
    anew = 0
    first: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["type"] == "settled":
            before = first.setdefault(event["setl_id"], event)
            changed = {field for field in before if before[field] != event[field]}
            assert changed in (set(), {"msgid", "setl_time"})
            if changed:
                anew += 1
                assert event["setl_time"] > before["setl_time"]
    assert 0.015 < (as_it_was + anew) / SETTLEMENTS < 0.025
    assert min(as_it_was, anew) > SETTLEMENTS / 200


def test_one_in_fifty_is_reversed_sometimes_twice_and_sometimes_too_early(events):
    arrival: dict[str, int] = {}
    reversals = Counter[str]()
    early = 0
    for place, event in enumerate(events):
        if event["type"] == "settled":
            early += event["setl_id"] not in arrival and event["setl_id"] in reversals
            arrival.setdefault(event["setl_id"], place)
        else:
            reversals[event["setl_id"]] += 1
    assert reversals.keys() <= arrival.keys()
    assert 0.015 < len(reversals) / SETTLEMENTS < 0.025
    assert set(reversals.values()) == {1, 2}
    assert 0 < early < len(reversals) / 5
    assert len({event["msgid"] for event in events if event["type"] == "reversed"}) == reversals.total()


def test_the_key_is_the_person_number_of_the_event(stream, events):
    for event, fields in zip(stream, events, strict=True):
        assert partition_key(event) == fields["psn_no"].encode()
    assert [partition_key(event) for event in (b"", b"42", b'{"psn_no":7}', b'{"psn_no":"P9')] == [None] * 4


# ── broken events ─────────────────────────────────────────────────────────────────────────────────


def test_every_kind_appears_from_two_thousand_settlements_on(monkeypatch):
    named = {kind: lambda event, rng, kind=kind: kind.encode() for kind in BROKEN}
    monkeypatch.setattr(module, "BROKEN", named)
    two_thousand = [event for event in county(settlements=2_000, persons=300, seed=1) if event.decode() in BROKEN]
    assert sorted(two_thousand) == sorted(kind.encode() for kind in BROKEN)
    many = Counter(event for event in county(settlements=60_000, persons=300, seed=1) if event.decode() in BROKEN)
    assert many.total() == 180  # 0.3 %
    assert len(many) == len(BROKEN)
    assert not any(event.decode() in BROKEN for event in county(settlements=300, persons=300, seed=1))


def test_without_the_broken_events_the_rest_is_the_same(stream):
    remaining = iter(stream)
    expected = next(remaining)
    broken = []
    for event in county(settlements=SETTLEMENTS, persons=PERSONS, seed=SEED):
        if event == expected:
            expected = next(remaining, b"")
        else:
            broken.append(event)
    assert expected == b""
    assert len(broken) == len(BROKEN)


def test_what_is_spoilt_was_good_before():
    READ_EVENT.validate_json(encoded(whole(1)))


@pytest.mark.parametrize("kind", BROKEN)
def test_the_contract_refuses_what_is_broken_unless_it_takes_a_pack_or_a_ledger(kind):
    event = BROKEN[kind](whole(1), Random(1))
    try:
        READ_EVENT.validate_json(event)
    except ValidationError:
        assert kind not in MODEL_ACCEPTS
    else:
        assert kind in MODEL_ACCEPTS


def test_no_two_kinds_are_the_same_and_there_are_many():
    assert len({BROKEN[kind](whole(1), Random(1)) for kind in BROKEN}) == len(BROKEN) >= 30


def test_broken_events_have_persons_and_settlements_of_their_own(stream):
    good = set(stream)
    broken = [event for event in county(settlements=SETTLEMENTS, persons=PERSONS, seed=SEED) if event not in good]
    persons = {partition_key(event) for event in stream}
    disturbing = [event for event in broken if partition_key(event) in persons]
    assert len(disturbing) == len(NEEDS_AN_EARLIER_ONE)
    own = [number for event in broken for number in re.findall(rb"S2021-X\d{7}|S\d{4}-\d{8}", event[:200])]
    assert len(own) > len(BROKEN) / 2


def test_a_reused_settlement_number_comes_after_the_settlement_whose_it_is():
    seen: dict[str, bytes] = {}
    reused = 0
    for event in county(settlements=SETTLEMENTS, persons=PERSONS, seed=SEED):
        if b"P99" in event or not event.startswith(b'{"type":"settled"'):
            continue
        try:
            fields = READ_EVENT.validate_json(event).model_dump(exclude={"msgid", "setl_time"})
        except ValidationError:
            continue
        content = repr(fields).encode()
        reused += seen.setdefault(fields["setl_id"], content) != content and event.count(b'X","setl_id"') == 1
    assert reused == 1


def test_card_numbers_pass_the_checksum_and_are_nobody_s():
    rng = Random(5)
    for check_digit in (None, "X", "0"):
        number = card_number(rng, check_digit)
        assert holds_card_number(number)
        assert number.startswith("000000")
        assert number[-1] == (check_digit or number[-1])


def test_the_ten_megabytes_are_only_there_when_asked_for():
    (kind,) = TOO_LARGE
    assert len(TOO_LARGE[kind](whole(1), Random(1))) > 10_000_000
    assert kind not in BROKEN
