"""A small county: what one seed sends, message by message, on the three topics of a few persons.

Everything that a settlement meets in earnest is in it: stays that reach deductibles and caps, repeats, reversals that
come before what they reverse, voidings, identities that change, balances carried in, decided applications, and messages
that must be refused.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, Final, NamedTuple

from contracts.topics import APPLICATIONS, DISCHARGES, INPUTS, PERSONS
from workers.rehearsal.broken import BROKEN, NEEDS_AN_EARLIER_ONE, encoded, whole
from workers.settlement.validate import partition_of

Body = dict[str, Any]


class Message(NamedTuple):
    """A record as a gateway sends it."""

    topic: str
    partition: int
    key: bytes
    value: bytes


class Home(NamedTuple):
    """Where somebody is insured, and which identities count there."""

    division: str
    year: int
    identities: tuple[str, ...]


HOMES: Final = (
    Home("331002", 2021, ("2303", "2304", "230801", "236074")),
    Home("140105", 2020, ("2302", "2303", "2304")),
    Home("331127", 2022, ("2303", "236074", "2306")),
)
ON_APPLICATION: Final = "331127"
BROKEN_KINDS: Final = sorted(
    BROKEN.keys() - NEEDS_AN_EARLIER_ONE - {"identities_are_a_thousand", "identities_are_lists_in_lists"}
)
APPLICANTS: Final = ("困难人员", "最低生活保障家庭成员", "其他因病困难人员")


@cache
def names_in(partition: int, partitions: int) -> tuple[str, ...]:
    """Persons whose messages belong into a partition."""
    names = (f"P{number:06d}" for number in range(64))
    return tuple(name for name in names if partition_of(name.encode(), partitions) == partition)


class County:
    """The persons of one seed, and what was sent about them so far."""

    def __init__(self, chance: Random, partitions: int) -> None:
        self._chance = chance
        self._partitions = partitions
        self._homes: dict[str, Home] = {}
        for partition in range(partitions):
            for name in chance.sample(names_in(partition, partitions), chance.choice((1, 1, 2))):
                self._homes[name] = chance.choice(HOMES)
        self._names = list(self._homes)
        self._sent: list[Message] = []
        self._stays: list[Body] = []
        self._owed: list[Body] = []
        """Stays whose reversal has been sent before them."""
        self._number = 0

    def next(self) -> Message:
        """The next message."""
        makes = self._kinds()
        (make,) = self._chance.choices([make for make, _ in makes], [share for _, share in makes])
        message = make()
        self._sent.append(message)
        return message

    def _kinds(self) -> Sequence[tuple[Callable[[], Message], int]]:
        """Each with its share in a hundred."""
        return (
            (self._stay, 45),
            (self._again, 11),
            (self._reversed, 9),
            (self._reversed_first, 4),
            (self._voided, 4),
            (self._identities, 8),
            (self._carried_in, 4),
            (self._application, 7),
            (self._broken, 5),
            (self._misplaced, 3),
        )

    # ── good ones ─────────────────────────────────────────────────────────────────────────────────────────────

    def _stay(self) -> Message:
        return self._send(DISCHARGES, self._owed.pop() if self._owed else self._new_stay())

    def _new_stay(self) -> Body:
        chance = self._chance
        name = chance.choice(self._names)
        home = self._homes[name]
        scope, upfront, own = (chance.randrange(1, high) * 100 for high in (300_000, 20_000, 9_000))
        basic = scope * chance.choice((50, 70, 80)) // 100
        day = f"{home.year}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}"
        self._number += 1
        stay: Body = {
            "type": "settled",
            "msgid": f"M{self._number}",
            "setl_id": f"S{self._number}",
            "mdtrt_id": f"V{self._number}",
            "psn_no": name,
            "insutype": "390",
            "insuplc_admdvs": home.division,
            "med_type": chance.choice(("21", "21", "21", "14", "11")),
            "mdtrtarea_admvs": home.division,
            "fixmedins_code": f"H{home.division}00001",
            "begndate": day,
            "enddate": day,
            "setl_time": f"{day}T10:15:00+08:00",
            "medfee_sumamt": _yuan(scope + upfront + own),
            "fulamt_ownpay_amt": _yuan(own),
            "overlmt_selfpay": "0.00",
            "preselfpay_amt": _yuan(upfront),
            "inscp_scp_amt": _yuan(scope),
            "hifp_pay": _yuan(basic),
        }
        if chance.random() < 0.3:
            stay["psn_idet"] = self._list(home)
        self._stays.append(stay)
        return stay

    def _again(self) -> Message:
        return self._chance.choice(self._sent) if self._sent else self._stay()

    def _reversed(self) -> Message:
        return self._send(DISCHARGES, self._reversal(self._chance.choice(self._stays))) if self._stays else self._stay()

    def _reversed_first(self) -> Message:
        stay = self._new_stay()
        self._owed.append(stay)
        return self._send(DISCHARGES, self._reversal(stay))

    def _reversal(self, stay: Mapping[str, Any]) -> Body:
        kept = {field: stay[field] for field in ("setl_id", "mdtrt_id", "psn_no", "insuplc_admdvs", "setl_time")}
        return {"type": "reversed", "msgid": f"R{stay['msgid']}", **kept}

    def _voided(self) -> Message:
        if not self._stays:
            return self._stay()
        stay = self._chance.choice(self._stays)
        told = {"type": "voided", "msgid": f"V{stay['msgid']}", "omsgid": stay["msgid"], "oinfno": "2304"}
        return self._send(DISCHARGES, {**told, "psn_no": stay["psn_no"], "setl_time": stay["setl_time"]})

    def _identities(self) -> Message:
        name = self._chance.choice(self._names)
        home = self._homes[name]
        known_at = f"{home.year}-12-31T{self._chance.randrange(24):02d}:00:00+08:00"
        told = {"type": "identity_changed", "psn_no": name, "psn_idet": self._list(home), "known_at": known_at}
        return self._send(PERSONS, told)

    def _list(self, home: Home) -> list[Body]:
        codes = self._chance.sample(home.identities, self._chance.choice((0, 1, 1, 2)))
        return [{"psn_idet_type": code, "begntime": f"{home.year - 1}-01-01", "endtime": None} for code in codes]

    def _carried_in(self) -> Message:
        name = self._chance.choice(self._names)
        home = self._homes[name]
        layer = {"331002": "supplementary", "140105": "serious_illness", "331127": "high_expense_subsidy"}[
            home.division
        ]
        base = self._chance.randrange(4_000_000)
        balance = {"base": _yuan(base), "paid": _yuan(base // self._chance.choice((2, 3, 10)))}
        told = {"type": "carried_in", "psn_no": name, "insuplc_admdvs": home.division, "year": home.year}
        return self._send(
            PERSONS, {**told, "known_at": f"{home.year}-01-02T08:00:00+08:00", "layers": {layer: balance}}
        )

    def _application(self) -> Message:
        chance = self._chance
        # Where nothing is paid on application, one is refused; that is worth a look now and then.
        able = [name for name in self._names if self._homes[name].division == ON_APPLICATION]
        name = chance.choice(able if able and chance.random() < 0.9 else self._names)
        home = self._homes[name]
        told: Body = {"type": "application_decided", "application_id": f"A{chance.randrange(6)}", "psn_no": name}
        told |= {"insuplc_admdvs": home.division, "year": home.year, "applicant": chance.choice(APPLICANTS)}
        told |= {"hardship_application": chance.choice((None, "granted", "refused")), "resident": True}
        told |= {"other_assistance": "0.00", "applied_on": f"{home.year + 1}-03-01", "objections": False}
        told |= {
            "approved": chance.random() < 0.8,
            "known_at": f"{home.year + 1}-04-01T0{chance.randrange(9)}:00:00+08:00",
        }
        return self._send(APPLICATIONS, told)

    # ── bad ones ──────────────────────────────────────────────────────────────────────────────────────────────

    def _broken(self) -> Message:
        chance = self._chance
        value = BROKEN[chance.choice(BROKEN_KINDS)](whole(chance.randrange(1_000)), chance)
        return Message(chance.choice(INPUTS), chance.randrange(self._partitions), b"P99", value)

    def _misplaced(self) -> Message:
        """In another partition than its person's, on another topic than its type's, or under another key."""
        good = self._send(DISCHARGES, self._new_stay())
        self._stays.pop()
        match self._chance.randrange(3):
            case 0:
                return good._replace(partition=(good.partition + 1) % self._partitions)
            case 1:
                return good._replace(topic=PERSONS)
            case _:
                return good._replace(key=b"somebody")

    def _send(self, topic: str, body: Body) -> Message:
        key = body["psn_no"].encode()
        return Message(topic, partition_of(key, self._partitions), key, encoded(body))


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"
