"""A statement travels: believed only as a trusted office signed it, and the year goes on where it had come to."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import ValidationError

from contracts.identity import CarriedIn
from contracts.pack import PackSet
from contracts.pack_file import load_directory
from contracts.statement import READ_STATEMENT, Statement, canonical
from tests.desk.year_events import JINGNING, PACKS, PERSON, Event, bill, carried, decision, encoded, reversal, settled
from workers.desk.carrying import carried_in, carrying_page
from workers.desk.signing import KeyUnfit, Office, SigningKey, new_key, offices, signing_key
from workers.desk.source import FileSource, Source
from workers.desk.statement import StatementRefused, believed, issue, years_as_of
from workers.desk.trial import Trial, try_event
from workers.desk.year_sheet import year_sheet

ISSUED: Final = "2021-07-01T09:00:00.000+08:00"
NOW: Final = datetime.fromisoformat("2021-07-02T09:00:00+08:00")
TAIZHOU: Final = next(pack for pack in PACKS.packs if pack.region == "331000")
ELSEWHERE: Final = PackSet([replace(TAIZHOU, region="990100", digest="sha256:elsewhere")])
"""Another region with the same benefits, so that what is carried can be followed by hand."""

FIRST: Final = bill("S1", "2021-03-02", policy=100_000)
"""Assistance pays 50,000 × 0.70 + 50,000 × 0.75 = 72,500 of it, which leaves 27,500 of the cap."""


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return an_office(tmp_path, "台州市医疗保障局")


def an_office(folder: Path, name: str) -> SigningKey:
    private, public, _ = new_key()
    (folder / "trusted").mkdir(exist_ok=True)
    (folder / "trusted" / f"{name}.pub").write_bytes(public)
    (folder / f"{name}.key").write_bytes(private)
    return signing_key(folder / f"{name}.key")


@pytest.fixture
def trusted(tmp_path: Path, key: SigningKey) -> dict[str, Office]:
    return offices(tmp_path / "trusted")


async def stated(source: Source, key: SigningKey, issued_at: str = ISSUED, year: int = 2021) -> bytes:
    years, as_of = await years_as_of(source, PERSON, year)
    assert as_of is None
    (sheet,) = year_sheet(source.books, PERSON, year, years, f"{year}-12-31")["regions"]
    return issue(sheet, psn_no=PERSON, year=year, as_of=None, issued_at=issued_at, key=key)


def event_of(
    text: bytes, trusted: dict[str, Office], packs: PackSet = ELSEWHERE, renamed: Mapping[str, str] | None = None
) -> Event:
    statement, _ = believed(text, trusted, NOW)
    (pack,) = packs.packs
    event = carried_in(statement, pack, psn_no="P990000000007", insuplc_admdvs="990101", renamed=renamed or {})
    found: Event = json.loads(event.model_dump_json())
    return found


def here(event: Event) -> Event:
    """The same person as they are known elsewhere."""
    return {**event, "psn_no": "P990000000007", **({"insuplc_admdvs": "990101"} if "insuplc_admdvs" in event else {})}


async def tried(event: Event, *before: Event) -> Trial:
    (value,) = encoded([event])
    return await try_event(FileSource(ELSEWHERE, encoded(before)), value, psn_no=event["psn_no"], type_=event["type"])


def assistance(trial: Trial) -> list[str]:
    lines = [line for payout in trial.payouts for line in payout["lines"] if line["layer"] == "assistance_inpatient"]
    return [line["fund_payamt"] for line in lines]


# ── the round trip ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_cap_does_not_begin_again_where_a_person_moves_to(key: SigningKey, trusted: dict[str, Office]):
    carry = event_of(await stated(settled(FIRST), key), trusted)
    assert carry["layers"]["assistance_inpatient"] == {"base": "100000.00", "paid": "72500.00"}
    assert carry["known_at"] == ISSUED
    stay = here(bill("S9", "2021-09-10", policy=100_000))
    assert assistance(await tried(stay)) == ["72500.00"]
    assert assistance(await tried(stay, carry)) == ["27500.00"]


async def test_a_year_that_has_begun_is_priced_again_when_the_balances_come(
    key: SigningKey, trusted: dict[str, Office]
):
    carry = event_of(await stated(settled(FIRST), key), trusted)
    trial = await tried(carry, here(bill("S9", "2021-09-10", policy=100_000)))
    assert trial.effect == "changed"
    assert assistance(trial) == ["27500.00"]
    statement, _ = believed(await stated(settled(FIRST), key), trusted, NOW)
    office = trusted[key.key_id]
    event = CarriedIn.model_validate_json(json.dumps(carry))
    (pack,) = ELSEWHERE.packs
    page = carrying_page(statement, pack, office, event, trial, named=False)
    # The 45,000.00 that it was paid too much, and 72,500.00 carried in
    for words in ("-45,000.00", "应退待定", "医疗救助·住院  ", "72,500.00", office.name):
        assert words in page, words
    assert PERSON not in page
    assert carry["psn_no"] not in page
    assert carry["psn_no"] in carrying_page(statement, pack, office, event, trial, named=True)


async def test_a_later_statement_takes_the_place_of_an_earlier_one(key: SigningKey, trusted: dict[str, Office]):
    source = settled(FIRST)
    first = event_of(await stated(source, key), trusted)
    corrected = settled(FIRST, reversal("S1", "2021-06-01"), bill("S2", "2021-06-02", policy=10_000))
    later = event_of(await stated(corrected, key, "2021-07-01T09:00:00.001+08:00"), trusted)
    stay = here(bill("S9", "2021-09-10", policy=100_000))
    assert (await tried(later, first)).effect == "changed"
    assert (await tried(first, first)).effect == "repeated"
    assert (await tried(first, later)).effect == "stale"
    # 110,000 of base: the first 10,000 were paid elsewhere, 40,000 × 0.70 + 60,000 × 0.75
    assert assistance(await tried(stay, first, later)) == ["73000.00"]


async def test_going_live_in_july_begins_where_the_other_system_had_come_to(
    key: SigningKey, trusted: dict[str, Office]
):
    """Balances kept elsewhere, then settlements here, then a move: all of it is carried on."""
    year = (carried("2021-07-01T00:00:00+08:00", assistance_inpatient=("60000.00", "42500.00")),)
    august = bill("S1", "2021-08-02", policy=10_000)
    carry = event_of(await stated(settled(*year, august), key), trusted)
    # 10,000 × 0.75 on top
    assert carry["layers"]["assistance_inpatient"] == {"base": "70000.00", "paid": "50000.00"}


async def test_a_layer_paid_on_application_is_carried_with_what_was_paid(key: SigningKey, trusted: dict[str, Office]):
    stay = bill("S1", "2022-03-02", policy=20_000, region=JINGNING)
    source = settled(stay, decision("A1", "2023-04-01T00:00:00+08:00"))
    text = await stated(source, key, "2023-05-01T09:00:00+08:00", 2022)
    statement, office = believed(text, trusted, NOW + timedelta(days=1000))
    assert office.name == "台州市医疗保障局"
    (layer,) = statement["layers"]
    assert (layer["base"], layer["paid"], layer["deductible"]) == ("20000.00", "5000.00", "10000.00")
    assert layer["clauses"]
    assert layer["readings"]


# ── layers ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_layer_that_is_not_computed_here_is_named_until_it_is_renamed_or_left_out(
    key: SigningKey, trusted: dict[str, Office]
):
    text = await stated(settled(FIRST), key)
    left_out = {"supplementary": "-", "assistance_outpatient": "-"}
    taiyuan = PackSet([next(pack for pack in PACKS.packs if pack.region == "140100")])
    with pytest.raises(StatementRefused, match="supplementary, assistance_inpatient, assistance_outpatient"):
        event_of(text, trusted, taiyuan)
    with pytest.raises(StatementRefused, match="only serious_illness"):
        event_of(text, trusted, taiyuan, left_out)
    carry = event_of(text, trusted, taiyuan, {**left_out, "assistance_inpatient": "serious_illness"})
    assert carry["layers"] == {"serious_illness": {"base": "100000.00", "paid": "72500.00"}}


@pytest.mark.parametrize(
    ("renamed", "says"),
    [
        ({"supplementary": "assistance_inpatient"}, "into the same one"),
        ({"supplementary": "-", "assistance_inpatient": "-", "assistance_outpatient": "-"}, "no layer is left"),
        ({"serious_illness": "-"}, "the statement has only"),
        ({"supplementary": "no_such_layer"}, "computes no layer no_such_layer"),
    ],
)
async def test_layers_that_cannot_be_carried_so_are_refused(
    key: SigningKey, trusted: dict[str, Office], renamed: dict[str, str], says: str
):
    with pytest.raises(StatementRefused, match=says):
        event_of(await stated(settled(FIRST), key), trusted, ELSEWHERE, renamed)


async def test_a_statement_is_not_carried_into_the_ledger_that_it_tells_of(key: SigningKey, trusted: dict[str, Office]):
    # A move within the city keeps the ledger: its own sums as an opening would count everything twice.
    statement, _ = believed(await stated(settled(FIRST), key), trusted, NOW)
    (pack,) = (pack for pack in load_directory().packs if pack.region == statement["region"])
    with pytest.raises(StatementRefused, match="count twice"):
        carried_in(statement, pack, psn_no=PERSON, insuplc_admdvs="331004", renamed={})
    event = carried_in(statement, pack, psn_no="P990000000007", insuplc_admdvs="331004", renamed={})
    assert event.layers


async def test_a_number_that_cannot_be_a_persons_is_refused(key: SigningKey, trusted: dict[str, Office]):
    statement, _ = believed(await stated(settled(FIRST), key), trusted, NOW)
    (pack,) = ELSEWHERE.packs
    with pytest.raises(ValidationError):
        carried_in(statement, pack, psn_no="a|b", insuplc_admdvs="990101", renamed={})


# ── altered, or of somebody else ──────────────────────────────────────────────────────────────────────────────


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every single value, and of every list and object."""
    if path:
        yield path
    places = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for place, inner in places:
        yield from leaves(inner, (*path, place))


def changes(value: Any) -> list[Any]:
    """What a forger might write in place of a value."""
    if isinstance(value, str):
        return [value + "0", "1" + value, "", "999999.99"]
    if isinstance(value, int):
        return [value + 1, str(value)]
    if isinstance(value, list):
        return [[], value[:-1], value * 2]
    return [None, "0.00", {}]


async def test_no_value_can_be_changed_added_or_taken_away(key: SigningKey, trusted: dict[str, Office]):
    text = await stated(settled(FIRST), key)
    tried_ones = 0
    for path in leaves(json.loads(text)):
        for change in (*changes(at(json.loads(text), path)), ...):
            forged = json.loads(text)
            holder = at(forged, path[:-1])
            if change is ...:
                del holder[path[-1]]
            elif change == holder[path[-1]]:
                continue
            else:
                holder[path[-1]] = change
            with pytest.raises(StatementRefused):
                believed(canonical(forged), trusted, NOW)
            tried_ones += 1
    assert tried_ones > 100
    with pytest.raises(StatementRefused):
        believed(canonical({**json.loads(text), "more": 1}), trusted, NOW)


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for place in path:
        value = value[place]
    return value


async def test_no_byte_of_the_file_can_be_changed(key: SigningKey, trusted: dict[str, Office]):
    text = await stated(settled(FIRST), key)
    assert believed(text, trusted, NOW)
    for place in range(len(text) - 1):
        for forged in (text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :], text[:place] + text[place + 1 :]):
            with pytest.raises(StatementRefused):
                believed(forged, trusted, NOW)
    for forged in (
        text.replace(b":", b": ", 1),
        text.replace(b'{"as_of"', b'{"year":2020,"as_of"'),
        b"",
        b"[]",
        b"\xff",
    ):
        with pytest.raises(StatementRefused):
            believed(forged, trusted, NOW)


async def test_a_signature_has_one_spelling(key: SigningKey, trusted: dict[str, Office]):
    """The last letter before the padding has four bits that no byte needs; a lenient reader would not look at them."""
    whole = json.loads(await stated(settled(FIRST), key))
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(whole["signature"][-3]) + 1]
    with pytest.raises(StatementRefused, match="altered"):
        believed(canonical({**whole, "signature": f"{whole['signature'][:-3]}{other}=="}), trusted, NOW)


async def test_an_alteration_is_told_as_one_and_by_whom_it_was_signed(key: SigningKey, trusted: dict[str, Office]):
    text = await stated(settled(FIRST), key)
    with pytest.raises(StatementRefused, match="not as 台州市医疗保障局 signed it: it was altered"):
        believed(text.replace(b"72500.00", b"12500.00"), trusted, NOW)


async def test_an_office_that_is_not_trusted_is_told_by_its_key(tmp_path: Path, trusted: dict[str, Office]):
    stranger = an_office(tmp_path, "stranger")
    with pytest.raises(StatementRefused, match=stranger.key_id):
        believed(await stated(settled(FIRST), stranger), trusted, NOW)


async def test_a_stranger_cannot_sign_in_the_name_of_a_trusted_office(
    tmp_path: Path, key: SigningKey, trusted: dict[str, Office]
):
    forged = json.loads(await stated(settled(FIRST), an_office(tmp_path, "stranger")))
    with pytest.raises(StatementRefused, match="altered"):
        believed(canonical({**forged, "key_id": key.key_id}), trusted, NOW)


async def test_a_statement_of_another_format_is_told_as_one(key: SigningKey, trusted: dict[str, Office]):
    text = await stated(settled(FIRST), key)
    with pytest.raises(StatementRefused, match="another format"):
        believed(text.replace(b'"format":1', b'"format":2'), trusted, NOW)


@pytest.mark.parametrize(
    ("issued_at", "says"), [("2021-07-03T09:00:00+08:00", "still to come"), ("2020-12-30T09:00:00+08:00", "had begun")]
)
async def test_a_statement_from_another_time_is_refused(
    key: SigningKey, trusted: dict[str, Office], issued_at: str, says: str
):
    with pytest.raises(StatementRefused, match=says):
        believed(await stated(settled(FIRST), key, issued_at), trusted, NOW)


async def test_what_is_signed_is_the_canonical_json_of_everything_else(key: SigningKey, trusted: dict[str, Office]):
    """As anybody else would check it, by the words of the model."""
    from base64 import b64decode

    text = await stated(settled(FIRST), key)
    whole = json.loads(text)
    signature = b64decode(whole.pop("signature"))
    signed = json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    trusted[whole["key_id"]].key.verify(signature, signed)
    checked: Statement = READ_STATEMENT.validate_json(text)
    assert canonical(checked) + b"\n" == text


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_keys_names_what_does_not_belong_there(tmp_path: Path):
    an_office(tmp_path, "one")
    folder = tmp_path / "trusted"
    (folder / "README").write_text("not a key, and no suffix of one")
    assert [office.name for office in offices(folder).values()] == ["one"]
    (folder / "two.pem").write_bytes((folder / "one.pub").read_bytes())
    with pytest.raises(KeyUnfit, match="one and two have the same key"):
        offices(folder)
    (folder / "two.pem").write_bytes((tmp_path / "one.key").read_bytes())
    with pytest.raises(KeyUnfit, match=r"two\.pem: holds no public key"):
        offices(folder)


def test_a_file_that_is_no_private_key_is_named(tmp_path: Path):
    an_office(tmp_path, "one")
    with pytest.raises(KeyUnfit, match="no unencrypted private key"):
        signing_key(tmp_path / "trusted" / "one.pub")
    with pytest.raises(KeyUnfit, match="cannot be read"):
        signing_key(tmp_path / "none")
