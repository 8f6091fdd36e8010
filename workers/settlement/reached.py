"""What became of settlements that a layer had a row for: the figures that the policies themselves set targets for."""

from enum import StrEnum
from fractions import Fraction
from typing import Final

from contracts.money import parse_yuan
from contracts.payout import Line
from contracts.vocabulary import Correction, Kind, Status


class Reached(StrEnum):
    """What a computed layer did for a settlement whose person it has a row for (the line says `who`).

    台医保联发〔2020〕8号 四（三） wants 医疗救助政策落实率 100 %. Measured over the layers of medical assistance it is

        (paid + cut) ÷ (paid + cut + pending_application + paid_later)

    Those whom the layer owed something at discharge are its base: `nothing_left`, `cap_spent`, `below_deductible` and
    `rounds_to_nothing` are the policy carried out, although it came to nothing. `paid_later` is counted on top of what
    it had been at discharge: a correction paid the layer for the first time, after a list of identities that came late
    or a reversal that gave the cap some room. A discharge that lies in quarantine is in neither sum.
    `(cut + cap_spent) ÷ all but paid_later` is the share of settlements that a cap stopped.
    """

    PAID = "paid"
    """In full, at discharge."""
    CUT = "cut"
    """At discharge, up to what the cap still left: the slices come to at least a fen more."""
    CAP_SPENT = "cap_spent"
    NOTHING_LEFT = "nothing_left"
    BELOW_DEDUCTIBLE = "below_deductible"
    ROUNDS_TO_NOTHING = "rounds_to_nothing"
    PENDING_APPLICATION = "pending_application"
    PAID_LATER = "paid_later"


_NOTHING_MORE: Final = "0.00"
_SETTLEMENT: Final = Kind.SETTLEMENT


def reached(line: Line, kind: Kind) -> Reached | None:
    """What became of one line that a row was reached for; None where it tells nothing new.

    A settlement is counted when it is first settled; of later revisions only a first payment counts.
    """
    if kind is _SETTLEMENT:
        if line["status"] is Status.PENDING_APPLICATION:
            return Reached.PENDING_APPLICATION
        if line["reason"] is not None:
            return Reached(line["reason"])
        return Reached.CUT if line.get("cap_left") == _NOTHING_MORE and _owed_more(line) else Reached.PAID
    if kind is Kind.READJUDICATION and line.get("correction") is Correction.TOP_UP:
        return Reached.PAID_LATER if line["delta"] == line["fund_payamt"] else None
    return None


def _owed_more(line: Line) -> bool:
    """Whether the slices that the settlement moved through come to more than was paid, by a fen or more.

    Less than a fen is the rounding of the year's total.
    """
    owed = sum(
        (parse_yuan(tier["to"]) - parse_yuan(tier["from"])) * Fraction(tier["ratio"]) for tier in line.get("tiers", ())
    )
    return owed - parse_yuan(line["fund_payamt"]) >= 1
