"""What goes in during the proof: synthetic counties one after another, and everything that befalls their residents.

To the county's discharges, repeats and reversals come voidings, identity lists, balances carried in, decided
applications, each at times sent twice, and every kind of broken record, on all three input topics. Broken ones are
marked in a record header, which the workers do not read: so the auditor knows what must be refused without knowing how
to read an event.

The order of one person's events between the topics is not decided here. Batches decide it, and the journal's headers
say how; see `second_model`.
"""

import json
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any, Final, NamedTuple

from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
from workers.rehearsal.broken import BROKEN, NEEDS_AN_EARLIER_ONE, whole
from workers.rehearsal.county import county, partition_key

MARK: Final = ("proof", b"broken")
"""The header of a record that must end in quarantine whatever was before it."""

COUNTY_SETTLEMENTS: Final = 6_000
COUNTY_PERSONS: Final = 900
"""One county; the next one has other residents. Together they never grow old: the auditor's work grows with a person's
events squared."""

EVENTS_OF_A_PERSON_MAX: Final = 28
REMEMBERED: Final = 400
"""So many of the last discharges may be spoken of by something later."""

BESIDES_PERCENT: Final = 8
"""How often something befalls somebody after a discharge."""

BROKEN_PER_THOUSAND: Final = 8
TWICE_PERCENT: Final = 20
"""How many of the persons' and applications' events, and of voidings, are sent twice."""

ONCE_VOIDED_EARLY: Final = 16
"""Every so manieth voiding names a message that never comes."""

IDENTITIES: Final = ("2301", "2302", "2303", "2304", "2306", "2307", "236074", "230801", "9999")
CARRIED: Final = {
    "33": ("331000", ("supplementary", "assistance_inpatient", "assistance_outpatient")),
    "14": ("140100", ("serious_illness",)),
}
APPLICANTS: Final = ("困难人员", "最低生活保障家庭成员", "其他因病困难人员", "特困供养人员", "游客")
JINGNING: Final = "331127"


class Sent(NamedTuple):
    """A record as a gateway sends it. `partition` is its person's where it is None."""

    topic: str
    key: bytes | None
    value: bytes
    broken: bool = False
    astray: bool = False
    """It goes to the partition after its person's own."""


def load(seed: int) -> Iterator[Sent]:
    """An endless stream, the same for the same seed."""
    chance = Random(f"proof {seed}")
    number = 0
    while True:
        number += 1
        yield from _of_a_county(number, chance)


def _of_a_county(number: int, chance: Random) -> Iterator[Sent]:
    events = county(settlements=COUNTY_SETTLEMENTS, persons=COUNTY_PERSONS, seed=chance.getrandbits(32), broken=False)
    befalls = Befalls(chance)
    seen: dict[bytes, int] = {}
    spoilt = [kind for kind in BROKEN if kind not in NEEDS_AN_EARLIER_ONE]
    chance.shuffle(spoilt)
    count = 0
    for event in events:
        event = event.replace(b'"psn_no":"P', b'"psn_no":"P%dx' % number, 1)
        key = partition_key(event) or b""
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > EVENTS_OF_A_PERSON_MAX:
            continue
        yield Sent(DISCHARGES, key, event)
        if event.startswith(b'{"type":"settled"'):
            befalls.remember(event)
        if chance.randrange(100) < BESIDES_PERCENT:
            yield from befalls.something()
        if chance.randrange(1_000) < BROKEN_PER_THOUSAND:
            count += 1
            yield _broken(spoilt[count % len(spoilt)], number * COUNTY_SETTLEMENTS + count, chance)


def _broken(kind: str, number: int, chance: Random) -> Sent:
    event = whole(number)
    match chance.randrange(8):
        case 0:
            return Sent(chance.choice((PERSONS, APPLICATIONS)), _key(event), _json(event), broken=True)
        case 1:
            return Sent(DISCHARGES, b"somebody-else", _json(event), broken=True)
        case 2:
            return Sent(DISCHARGES, _key(event), _json(event), broken=True, astray=True)
        case _:
            value = BROKEN[kind](event, chance)
            return Sent(DISCHARGES, partition_key(value), value, broken=True)


class Befalls:
    """What becomes known of residents beside their discharges."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._lately: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        self._count = 0

    def remember(self, event: bytes) -> None:
        """A settlement of which something may be heard later."""
        self._lately.append(json.loads(event))

    def something(self) -> Iterator[Sent]:
        """One event about somebody who settled lately, or two of the same."""
        chance = self._chance
        settled = chance.choice(self._lately)
        self._count += 1
        kinds = [self._voided, self._identities, self._identities, self._carried_in]
        if settled["insuplc_admdvs"] == JINGNING:
            kinds += [self._applied] * 8
        topic, event = chance.choice(kinds)(settled)
        sent = Sent(topic, _key(event), _json(event))
        yield sent
        if chance.randrange(100) < TWICE_PERCENT:
            yield sent

    def _voided(self, settled: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        unknown = self._count % ONCE_VOIDED_EARLY == 0
        return DISCHARGES, {
            "type": "voided",
            "msgid": f"V{self._count:08d}",
            "omsgid": f"{settled['msgid']}{'-never-came' if unknown else ''}",
            "oinfno": "2304",
            "psn_no": settled["psn_no"],
            "setl_time": settled["setl_time"],
        }

    def _identities(self, settled: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        chance = self._chance
        codes = chance.sample(IDENTITIES, chance.randrange(4))
        return PERSONS, {
            "type": "identity_changed",
            "psn_no": settled["psn_no"],
            "psn_idet": [
                {"psn_idet_type": code, "begntime": chance.choice(("2015-01-01", "2020-07-01")), "endtime": None}
                for code in codes
            ],
            "known_at": settled["setl_time"],
        }

    def _carried_in(self, settled: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        chance = self._chance
        region, layers = CARRIED.get(settled["insuplc_admdvs"][:2], CARRIED["33"])
        return PERSONS, {
            "type": "carried_in",
            "psn_no": settled["psn_no"],
            "insuplc_admdvs": region,
            "year": int(settled["enddate"][:4]),
            "known_at": settled["setl_time"],
            "layers": {
                layer: {"base": f"{chance.randrange(100_000)}.00", "paid": f"{chance.randrange(20_000)}.00"}
                for layer in chance.sample(layers, 1 + chance.randrange(len(layers)))
            },
        }

    def _applied(self, settled: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        chance = self._chance
        year = int(settled["enddate"][:4])
        return APPLICATIONS, {
            "type": "application_decided",
            "application_id": f"A{chance.randrange(3)}",
            "psn_no": settled["psn_no"],
            "insuplc_admdvs": JINGNING,
            "year": year,
            "applicant": chance.choice(APPLICANTS),
            "hardship_application": chance.choice(("refused", "not_made", "granted")),
            "resident": chance.randrange(4) > 0,
            "insured_years": chance.choice((None, 2, 3, 5)),
            "other_assistance": chance.choice(("0.00", "100.01", "3000")),
            "applied_on": f"{year + 1}-0{chance.choice((1, 6, 7))}-01",
            "objections": chance.randrange(8) == 0,
            "approved": chance.randrange(4) > 0,
            "known_at": settled["setl_time"],
            "account_token": None,
        }


def _key(event: dict[str, Any]) -> bytes:
    return str(event["psn_no"]).encode()


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
