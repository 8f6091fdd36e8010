"""What a row of a golden case sends: the bytes of the event, as a gateway or an office would write them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from contracts.money import yuan
from contracts.pack import Pack
from contracts.pack_file import files_of
from contracts.pack_problem import PackError, Problem
from workers.rehearsal.case_format import Application, Case, Person, Step

MED_TYPE_OF_KIND: Final = {"住院": "21", "特殊病种门诊": "14", "门诊": "11", "急诊": "13"}
"""The national care type that a case means by each word."""

PARTS: Final = {
    "copay_policy": "inscp_scp_amt",
    "copay_catalogue": "preselfpay_amt",
    "over_limit": "overlmt_selfpay",
    "self_pay": "fulamt_ownpay_amt",
}
"""The words of a case for the four parts of a bill as basic insurance left them, and their wire fields."""


def codes_of_words(pack: Pack) -> dict[str, str | None]:
    """The first identity code behind each word of a pack's benefit tables; None for a row for everybody."""
    city, _ = files_of(pack.texts)
    return {
        row.who: row.codes[0] if row.codes else None
        for layer in reversed(city.computed())
        for row in reversed(layer.benefits)
    }


def malformed(case: Case, step: Step | None, wrong: str) -> PackError:
    """The problem of a case that cannot be meant."""
    key = f"{case.name}.{step.name}" if step else case.name
    return PackError([Problem(case.file, key, "case_is_malformed", wrong, "see contracts/packs/README.md")])


@dataclass(frozen=True)
class Teller:
    """Tells a case under a pack, row by row. A row's number is its message id and orders the rows of a day."""

    case: Case
    pack: Pack
    words: Mapping[str, str | None]

    def event(self, step: Step, digest: str) -> bytes:
        """The event of a row; `digest` is that of the pack in use. Raises `PackError` where it cannot be meant."""
        told = self._told(self.case.meant(step), digest)
        if "msgid" in told:
            told["msgid"] = f"{self._number(step)}"
        return orjson.dumps(told)

    def _number(self, step: Step) -> int:
        return next(number for number, each in enumerate(self.case.story, 1) if each is step)

    def _told(self, step: Step, digest: str) -> dict[str, Any]:
        number = self._number(step)
        at = f"{step.arrives or step.day}T10:{number:02d}:00+08:00"
        psn_no = f"case-{self.case.name}"[:64].replace("_", "-")
        region = step.region or self.case.region or self.pack.county or self.pack.region
        person = {"psn_no": psn_no, "insuplc_admdvs": region}
        message = {"msgid": f"{number}", "psn_no": psn_no, "setl_time": at}
        if step.reverse is not None:
            return {"type": "reversed", **message, **person, "setl_id": step.reverse, "mdtrt_id": step.reverse}
        if step.voids is not None:
            voided = self.case.row(step.voids)
            oinfno = "2305" if self.case.meant(voided).reverse else "2304"
            return {"type": "voided", **message, "omsgid": f"{self._number(voided)}", "oinfno": oinfno}
        if step.becomes is not None:
            periods = self._periods(step, [self._code(word) for word in step.becomes])
            return {"type": "identity_changed", "psn_no": psn_no, "known_at": at, "psn_idet": periods}
        if step.carried_in is not None:
            layers = {
                layer.value: {"base": yuan(balance.base), "paid": yuan(balance.paid)}
                for layer, balance in step.carried_in.items()
            }
            year = step.year or step.day.year
            return {"type": "carried_in", **person, "year": year, "known_at": at, "layers": layers}
        if step.adopts is not None and step.adopts.first_day is not None:
            day = step.adopts.first_day
            adopted = {"year": step.year or day.year, "first_day": f"{day}", "digest": digest, "known_at": at}
            return {"type": "pack_adopted", **person, **adopted}
        if step.application is not None:
            return {"type": "application_decided", **person, **_decided(step, step.application), "known_at": at}
        return {"type": "settled", **message, **person, **self._bill(step)}

    def _bill(self, step: Step) -> dict[str, Any]:
        case, pack = self.case, self.pack
        parts = {part: getattr(step, part) for part in PARTS}
        total = sum(parts.values()) if step.total is None else step.total
        basic = total - sum(parts.values())
        if basic < 0:
            raise malformed(case, step, "total is less than the parts of the bill")
        parts["copay_policy"] += basic
        subsidised = case.premium_subsidised if step.premium_subsidised is None else step.premium_subsidised
        return {
            "setl_id": step.discharge,
            "mdtrt_id": step.discharge,
            "insutype": step.insutype or case.insutype or "390",
            "med_type": step.med_type or MED_TYPE_OF_KIND[step.kind or "住院"],
            "mdtrtarea_admvs": step.where or pack.county or pack.region,
            "fixmedins_code": f"H{step.where or pack.county or pack.region}00001",
            "begndate": f"{step.admitted or step.day}",
            "enddate": f"{step.day}",
            "psn_idet": self._identities(step),
            "premium_subsidised": subsidised,
            "exclusions": list(step.excluded),
            "medfee_sumamt": yuan(total),
            "hifp_pay": yuan(basic),
            "acct_pay": None if step.own_account is None else yuan(step.own_account),
            **{field: yuan(amount) for field, amount in step.funds.items()},
            **{field: yuan(parts[part]) for part, field in PARTS.items()},
        }

    def _identities(self, step: Step) -> list[dict[str, str | None]] | None:
        """The event's own identity list; None where neither row nor case says who the person is."""
        person: Person = self.case if step.who is None and step.codes is None else step
        if person.who is None and person.codes is None:
            return None
        return self._periods(step, [*(self._code(word) for word in person.who or ()), *(person.codes or ())])

    def _periods(self, step: Step, codes: Iterable[str | None]) -> list[dict[str, str | None]]:
        since, until = step.since or self.case.since, step.until or self.case.until
        return [
            {"psn_idet_type": code, "begntime": f"{since or '2000-01-01'}", "endtime": f"{until}" if until else None}
            for code in codes
            if code is not None
        ]

    def _code(self, word: str) -> str | None:
        """The code behind a word of the pack; a code is its own."""
        if word not in self.words and not word.isascii():
            raise malformed(self.case, None, f"no row of the pack is for {word}")
        return self.words.get(word, word)


def _decided(step: Step, application: Application) -> dict[str, Any]:
    return {
        **application.model_dump(),
        "application_id": step.applies,
        "other_assistance": yuan(application.other_assistance),
        "applied_on": f"{application.applied_on or step.day}",
    }
