"""A statement from elsewhere made into the event that begins a person's year here, and what that event would change."""

from collections.abc import Mapping
from typing import Final

import orjson

from contracts.identity import CarriedIn
from contracts.pack import Pack
from contracts.payout import CombinedPayout
from contracts.statement import Statement
from contracts.vocabulary import Payee
from contracts.words import CORRECTION_TEXTS, FIELD_WORDS, KIND_TEXTS, PAYEE_TEXTS, SIGNAL_TEXTS
from workers.adjudication.explain_layer import printed, shown
from workers.desk.statement import StatementRefused
from workers.desk.trial import Trial

_BASE: Final = FIELD_WORDS["base"].zh
_PAID: Final = FIELD_WORDS["paid"].zh

LEFT_OUT: Final = "-"
"""What a layer is renamed to in order to leave it out."""


def carried_in(
    statement: Statement, pack: Pack, *, psn_no: str, insuplc_admdvs: str, renamed: Mapping[str, str]
) -> CarriedIn:
    """The `carried_in` event that a statement comes to, known when it was issued.

    A layer is carried into the one with the same id, or as `renamed` says. Raises `StatementRefused` where the
    receiving pack does not compute a layer, two are carried into one, or nothing is left; `pydantic.ValidationError`
    where the person's number or the region's code cannot be one.
    """
    stated = {layer["layer"].value: layer for layer in statement["layers"]}
    unknown = sorted(set(renamed) - set(stated))
    if unknown:
        raise StatementRefused(f"--layer {unknown[0]}: the statement has only {', '.join(stated)}")
    computed = {layer.id.value for layer in pack.layers if layer.mode != "reported"}
    into = {name: renamed.get(name, name) for name in stated}
    strange = [name for name, to in into.items() if to != LEFT_OUT and to not in computed]
    if strange:
        raise StatementRefused(
            f"{pack.region} computes no layer {into[strange[0]]} (of {', '.join(strange)}), only "
            f"{', '.join(sorted(computed))}: say --layer {strange[0]}=… which it is there, "
            f"or leave it out with --layer {strange[0]}={LEFT_OUT}"
        )
    carried = [to for to in into.values() if to != LEFT_OUT]
    if len(set(carried)) < len(carried):
        raise StatementRefused("two layers would be carried into the same one: add them up at the issuing office")
    if not carried:
        raise StatementRefused("no layer is left to carry in")
    event = {
        "type": "carried_in",
        "psn_no": psn_no,
        "insuplc_admdvs": insuplc_admdvs,
        "year": statement["year"],
        "known_at": statement["issued_at"],
        "layers": {
            to: {"base": stated[name]["base"], "paid": stated[name]["paid"]}
            for name, to in into.items()
            if to != LEFT_OUT
        },
    }
    return CarriedIn.model_validate_json(orjson.dumps(event))


def told(statement: Statement, event: CarriedIn, trial: Trial) -> list[str]:
    """What carrying in would bring about, in lines for whoever decides about it. They name no person."""
    lines = [f"{statement['region']} {statement['year']} 年累计结转，{statement['issued_at']} 出具"]
    lines += [
        f"  {layer.value}：{_BASE} {printed(balance.base)}，{_PAID} {printed(balance.paid)}"
        for layer, balance in event.layers.items()
    ]
    if not trial.payouts:
        lines.append("  已结算的各单金额不变")
    for payout in trial.payouts:
        lines += _of_payout(payout)
    for signal in trial.signals:
        state = "出现" if signal["state"] == "raised" else "撤回"
        lines.append(f"  {SIGNAL_TEXTS[signal['kind']]}：{state}")
    return lines


def _of_payout(payout: CombinedPayout) -> list[str]:
    about = payout.get("setl_id") or payout.get("application_id")
    lines = [f"  {KIND_TEXTS[payout['kind']]}　{about}　第 {payout['revision']} 版"]
    for line in payout["lines"]:
        if line["payable"] and line["payee"] is not None:
            way = CORRECTION_TEXTS[line["correction"]] if "correction" in line else ""
            lines.append(f"    {line['label']}：{shown(line['delta'])}　{way}　{PAYEE_TEXTS[Payee(line['payee'])]}")
    return lines
