"""Layers that are paid on application: who may be paid, and how much. Source: 景政办发〔2021〕29号 二（一）（三）."""

from collections.abc import Mapping
from typing import NamedTuple

from contracts.application import ApplicationDecided
from contracts.journal import Account, Share
from contracts.money import Fen
from contracts.pack import ApplicationRule, Layer, Pack, Row
from contracts.vocabulary import Refusal
from workers.adjudication.refuse import BrokenInvariantError, RefusedError


def layer_applied_for(pack: Pack, year: int) -> Layer | None:
    """The layer that a decision about a year speaks of, in its edition of the year's last day."""
    return next((layer for layer, _ in pack.layers_on(f"{year}-12-31") if layer.mode == "on_application"), None)


class Grant(NamedTuple):
    """What a decision pays, in fen, and how it came to that.

    `counted` is the year's base without other assistance; `row` is None for a decision that is not approved. `share`
    and `accounts` are what the ledger keeps.
    """

    layer: Layer
    row: Row | None
    counted: Fen
    paid_before: Fen
    share: Share
    accounts: Mapping[str, Account]


def granted(pack: Pack, decision: ApplicationDecided, accounts: Mapping[str, Account]) -> Grant:
    """What a decision pays on the year before it, and the accounts after it.

        pay = min(cap, owed(max(0, base − other_assistance))) − paid

    It may be negative: what was paid by an earlier decision is then taken back. One that is not approved pays nothing.
    """
    layer = layer_applied_for(pack, decision.year)
    if layer is None or layer.application is None:
        raise BrokenInvariantError("a decision stands in the ledger of a pack that pays nothing on application")
    account = accounts.get(layer.id, Account())
    counted = max(0, account.base - decision.other_assistance)
    if not decision.approved:
        return Grant(layer, None, counted, account.paid, Share(layer.id, 0, 0), accounts)
    row = _row_of(layer, layer.application, decision)
    if row.curve is None:
        raise BrokenInvariantError("a decision stands on a row without numbers")
    owed = row.curve.owed(counted)
    paid = (owed if row.cap is None else min(row.cap, owed)) - account.paid
    after = {**accounts, layer.id: Account(account.base, account.paid + paid, row.cap)}
    return Grant(layer, row, counted, account.paid, Share(layer.id, 0, paid, 0, paid), after)


def _row_of(layer: Layer, rule: ApplicationRule, decision: ApplicationDecided) -> Row:
    who = rule.rows[decision.applicant]
    return next(row for row in layer.rows if row.who == who)


def check(layer: Layer, decision: ApplicationDecided) -> None:
    """Refuse, by name, a decision that the document does not allow. One that is not approved is always allowed."""
    rule = layer.application
    if rule is None:
        raise BrokenInvariantError("a layer paid on application has no rule for it")
    if not decision.approved:
        return
    if decision.applicant not in rule.rows:
        raise RefusedError(
            Refusal.APPLICANT_IS_UNKNOWN, "applicant", "send one of the pack's applicants: " + "、".join(rule.rows)
        )
    if decision.applicant in rule.hardship_first and decision.hardship_application == "not_made":
        raise RefusedError(
            Refusal.HARDSHIP_STATUS_NOT_APPLIED_FOR,
            "hardship_application",
            "this applicant must first have asked for a hardship identity: decide again when that was answered",
        )
    if not decision.resident and (decision.insured_years or 0) < rule.insured_years_least:
        raise RefusedError(
            Refusal.APPLICANT_IS_NOT_ENTITLED,
            "insured_years",
            f"the applicant must be resident or insured here for {rule.insured_years_least} years on end",
        )
    month, day = rule.deadline
    if decision.applied_on > f"{decision.year + 1}-{month:02d}-{day:02d}":
        raise RefusedError(
            Refusal.APPLIED_AFTER_THE_DEADLINE,
            "applied_on",
            f"applications for a year end on {month:02d}-{day:02d} of the next",
        )
    if decision.objections:
        raise RefusedError(
            Refusal.OBJECTIONS_ARE_OPEN,
            "objections",
            "what was made public met objections: decide when they are answered",
        )
