"""Golden cases: a person's year told in rows, each with what it pays, settled through the real path from real bytes.

They are the part of a pack that an officer checks with a calculator. The format stands in `contracts/packs/README.md`.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import orjson

from contracts.money import Fen, parse_yuan, yuan
from contracts.pack import Pack, PackSet
from contracts.pack_file import CASES_SUFFIX, SHIPPED, files_of, load_directory, read_text
from contracts.pack_problem import PackError, Problem
from contracts.payout import CombinedPayout
from contracts.signals import Signal
from contracts.vocabulary import HOSPITAL_SHARE, Kind, LayerId, SignalKind
from workers.adjudication.refuse import RefusedError
from workers.rehearsal.case_format import Case, Person, Step, read_cases
from workers.settlement.offline import Settler

MED_TYPE_OF_KIND: Final = {"住院": "21", "特殊病种门诊": "14", "门诊": "11", "急诊": "13"}
"""The national care type that a case means by each word."""

PARTS: Final = {
    "copay_policy": "inscp_scp_amt",
    "copay_catalogue": "preselfpay_amt",
    "over_limit": "overlmt_selfpay",
    "self_pay": "fulamt_ownpay_amt",
}
"""The words of a case for the four parts of a bill as basic insurance left them, and their wire fields."""


class Difference(NamedTuple):
    """Where a case and Yidan disagree. `what` begins with `pays`, `pending` or `corrects` where it is about money."""

    file: str
    case: str
    row: str
    what: str
    said: str
    found: str

    def __str__(self) -> str:
        return f"{self.file}: {self.case}: {self.row}: {self.what}: the case says {self.said}, Yidan says {self.found}"

    @property
    def is_money(self) -> bool:
        """Whether the disagreement is about an amount that somebody would receive."""
        return self.what.startswith(("pays ", "pending ", "corrects "))


def codes_of_words(pack: Pack) -> dict[str, str | None]:
    """The first identity code behind each word of a pack's benefit tables; None for a row for everybody."""
    city, _ = files_of(pack.texts)
    return {
        row.who: row.codes[0] if row.codes else None
        for layer in reversed(city.computed())
        for row in reversed(layer.benefits)
    }


class Answer(Protocol):
    """What Yidan answers to one row."""

    @property
    def payouts(self) -> list[CombinedPayout]:
        """The payouts written, the row's own and the corrections of others."""

    @property
    def signals(self) -> list[Signal]:
        """The signals raised and withdrawn."""

    @property
    def refusal(self) -> RefusedError | None:
        """Why the row was refused, if it was."""


# ── Telling a story ──────────────────────────────────────────────────────────────────────────────────────────


def event_of(case: Case, step: Step, number: int, pack: Pack, words: Mapping[str, str | None]) -> bytes:
    """The event that a gateway would send for a row; `number` orders the rows of a day. Raises `PackError`."""
    told: dict[str, Any] = {
        "msgid": f"{number}",
        "psn_no": f"case-{case.name}"[:64].replace("_", "-"),
        "insuplc_admdvs": step.region or case.region or pack.county or pack.region,
    }
    at = f"{step.day}T10:{number:02d}:00+08:00"
    if step.reverse is not None:
        told |= {"type": "reversed", "setl_id": step.reverse, "mdtrt_id": step.reverse, "setl_time": at}
        return orjson.dumps(told)
    if step.becomes is not None:
        periods = _periods(case, step, [_code(case, word, words) for word in step.becomes])
        return orjson.dumps({"type": "identity_changed", "psn_no": told["psn_no"], "known_at": at, "psn_idet": periods})
    if step.application is not None:
        found = step.application.model_dump()
        found["other_assistance"] = yuan(step.application.other_assistance)
        found["applied_on"] = f"{step.application.applied_on or step.day}"
        told |= {"type": "application_decided", "application_id": step.applies, "known_at": at}
        return orjson.dumps(told | found)
    parts = {part: getattr(step, part) for part in PARTS}
    total = sum(parts.values()) if step.total is None else step.total
    basic = total - sum(parts.values())
    if basic < 0:
        raise _malformed(case, step, "total is less than the parts of the bill")
    parts["copay_policy"] += basic
    told |= {
        "type": "settled",
        "setl_time": at,
        "setl_id": step.discharge,
        "mdtrt_id": step.discharge,
        "insutype": step.insutype or case.insutype or "390",
        "med_type": step.med_type or MED_TYPE_OF_KIND[step.kind or "住院"],
        "mdtrtarea_admvs": step.where or pack.county or pack.region,
        "fixmedins_code": f"H{step.where or pack.county or pack.region}00001",
        "begndate": f"{step.admitted or step.day}",
        "enddate": f"{step.day}",
        "psn_idet": _identities(case, step, words),
        "premium_subsidised": case.premium_subsidised if step.premium_subsidised is None else step.premium_subsidised,
        "exclusions": list(step.excluded),
        "medfee_sumamt": yuan(total),
        "hifp_pay": yuan(basic),
        "acct_pay": None if step.own_account is None else yuan(step.own_account),
        **{field: yuan(amount) for field, amount in step.funds.items()},
        **{field: yuan(parts[part]) for part, field in PARTS.items()},
    }
    return orjson.dumps(told)


Periods = list[dict[str, str | None]]


def _identities(case: Case, step: Step, words: Mapping[str, str | None]) -> Periods | None:
    """The event's own identity list; None where neither row nor case says who the person is."""
    teller: Person = case if step.who is None and step.codes is None else step
    if teller.who is None and teller.codes is None:
        return None
    return _periods(case, step, [*(_code(case, word, words) for word in teller.who or ()), *(teller.codes or ())])


def _periods(case: Case, step: Step, codes: Iterable[str | None]) -> Periods:
    since, until = step.since or case.since, step.until or case.until
    return [
        {"psn_idet_type": code, "begntime": f"{since or '2000-01-01'}", "endtime": f"{until}" if until else None}
        for code in codes
        if code is not None
    ]


def _malformed(case: Case, step: Step | None, wrong: str) -> PackError:
    key = f"{case.name}.{step.name}" if step else case.name
    return PackError([Problem(case.file, key, "case_is_malformed", wrong, "see contracts/packs/README.md")])


def _code(case: Case, word: str, words: Mapping[str, str | None]) -> str | None:
    """The code behind a word of the pack; a code is its own."""
    if word not in words and not word.isascii():
        raise _malformed(case, None, f"no row of the pack is for {word}")
    return words.get(word, word)


def run(case: Case, pack: Pack) -> list[Difference]:
    """Settles a case under a pack and says where they disagree; nowhere means to the fen. Raises `PackError`."""
    settler, words = Settler(PackSet([pack])), codes_of_words(pack)
    differences: list[Difference] = []
    for number, step in enumerate(case.story, 1):
        taken = settler.take(event_of(case, step, number, pack, words))
        for what, said, found in _compare(step, taken):
            differences.append(Difference(case.file, case.name, step.name, what, said, found))
    return differences


Compared = tuple[str, str, str]


def _compare(step: Step, taken: Answer) -> Iterator[Compared]:
    refusal = taken.refusal.reason if taken.refusal else None
    if refusal != step.refused:
        detail = f" ({taken.refusal.detail})" if taken.refusal else ""
        yield "refused", step.refused or "accepted", f"{refusal or 'accepted'}{detail}"
    own: CombinedPayout | None = None
    others: dict[str, CombinedPayout] = {}
    for payout in taken.payouts:
        name = payout["setl_id"] if "setl_id" in payout else payout["application_id"]
        if payout["kind"] != Kind.READJUDICATION and name in (step.discharge, step.reverse, step.applies):
            own = payout
        else:
            others[name] = payout
    if own is not None:
        yield from _compare_own(step, own)
    else:
        yield from _amounts("pays", step.pays, {})
    for name in sorted(set(step.corrects) | set(others)):
        found = _moved(others[name]) if name in others else {}
        yield from _amounts(f"corrects {name}", step.corrects.get(name, {}), found)
    yield from _compare_signals(step, taken)


def _compare_own(step: Step, payout: CombinedPayout) -> Iterator[Compared]:
    yield from _amounts("pays", step.pays, _moved(payout))
    lines = {LayerId(line["layer"]): line for line in payout["lines"]}
    pending = {layer: fen for layer, line in lines.items() if (fen := _fen(line.get("pending_payamt", "0.00")))}
    yield from _amounts("pending", step.pending, pending)
    for layer, reason in step.nothing.items():
        found = lines[layer]["reason"] if layer in lines else "no such layer"
        if found != reason:
            yield f"nothing {layer}", reason, str(found)
    for part, amount in (step.left or {}).items():
        left = payout.get("left", {}).get(PARTS[part], "0.00")
        if _fen(str(left)) != amount:
            yield f"left {part}", yuan(amount), str(left)
    if step.discharge is not None:
        own_share = _fen(payout.get("other_payments", {}).get(HOSPITAL_SHARE, "0.00"))
        together = _fen(payout["fund_pay_sumamt"]) + _fen(payout["psn_part_amt"]) + own_share
        if together != _fen(payout["medfee_sumamt"]):
            yield "the payout's sums", payout["medfee_sumamt"], yuan(together)


def _moved(payout: CombinedPayout) -> dict[LayerId, Fen]:
    """What each layer's payable lines move, by layer."""
    moved: dict[LayerId, Fen] = {}
    for line in payout["lines"]:
        if line["payable"]:
            layer = LayerId(line["layer"])
            moved[layer] = moved.get(layer, 0) + _fen(line["delta"])
    return moved


def _amounts(what: str, said: Mapping[LayerId, Fen], found: Mapping[LayerId, Fen]) -> Iterator[Compared]:
    for layer in LayerId:
        if said.get(layer, 0) != found.get(layer, 0):
            yield f"{what} {layer}", yuan(said.get(layer, 0)), yuan(found.get(layer, 0))


def _compare_signals(step: Step, taken: Answer) -> Iterator[Compared]:
    """Watches must be told exactly; caps only where the row speaks of them."""
    watches = {"raised": step.warns, "withdrawn": step.withdraws}
    told = [(signal["state"], signal["kind"], signal["layer"]) for signal in taken.signals]
    for (state, said), what in zip(watches.items(), ("warns", "withdraws"), strict=True):
        found = sorted(kind for was, kind, _ in told if was == state and kind != SignalKind.CAP_REACHED)
        if found != sorted(said):
            yield what, ", ".join(said) or "nothing", ", ".join(found) or "nothing"
    if step.caps is not None:
        caps = sorted(str(layer) for was, kind, layer in told if was == "raised" and kind == SignalKind.CAP_REACHED)
        if caps != sorted(step.caps):
            yield "caps", ", ".join(step.caps) or "none", ", ".join(caps) or "none"


def _fen(amount: str) -> Fen:
    return -parse_yuan(amount[1:]) if amount.startswith("-") else parse_yuan(amount)


# ── A directory ──────────────────────────────────────────────────────────────────────────────────────────────


def cases_of(pack: Pack, directory: Path | None = None) -> tuple[Case, ...]:
    """The golden cases that stand beside a pack's file; none for a county without any. Raises `PackError`."""
    for path in sorted((directory or SHIPPED).glob("*.toml")):
        if not path.name.endswith(CASES_SUFFIX) and read_text(path) == pack.texts[-1]:
            cases = path.with_name(path.name.removesuffix(".toml") + CASES_SUFFIX)
            return read_cases(read_text(cases), cases.name) if cases.is_file() else ()
    raise FileNotFoundError(f"no file of {pack.name} here")


def rehearse(directory: Path | None = None) -> tuple[int, list[Difference]]:
    """Runs every golden case of every pack of a directory: how many there are, and where they disagree.

    Raises `PackError` for packs that must not be used and cases that cannot be meant.
    """
    count, differences = 0, []
    for pack in load_directory(directory).packs:
        for case in cases_of(pack, directory):
            count += 1
            differences += run(case, pack)
    return count, differences
