"""A statement from elsewhere made into the event that begins a person's year here, and what that event would change."""

from collections.abc import Mapping
from typing import Final

import orjson

from contracts.identity import CarriedIn
from contracts.pack import Pack
from contracts.statement import Statement
from contracts.words import FIELD_WORDS
from workers.adjudication.explain_layer import printed
from workers.adjudication.page import Page
from workers.desk.preview import summary
from workers.desk.preview_page import movement_sections
from workers.desk.signing import Office
from workers.desk.statement import StatementRefused
from workers.desk.table import aligned
from workers.desk.trial import Trial

LEFT_OUT: Final = "-"
"""What a layer is renamed to in order to leave it out."""

_EFFECTS: Final = {
    "changed": "可以结转。结转后本年度从下列累计起算；已经结算的各笔如有变动，列在后面。",
    "repeated": "这份累计此前已经结转：再次结转不改变任何金额。",
    "stale": "此前已经结转过更晚出具的累计：这一份不再起作用。",
}
"""What carrying in would do, by the effect of its trial."""


def carried_in(
    statement: Statement, pack: Pack, *, psn_no: str, insuplc_admdvs: str, renamed: Mapping[str, str]
) -> CarriedIn:
    """The `carried_in` event that a statement comes to, known when it was issued.

    A layer is carried into the one with the same id, or as `renamed` says. Raises `StatementRefused` where the
    statement comes from the very ledger that it would begin (a move within a city keeps its ledger), where the
    receiving pack does not compute a layer, two are carried into one, or nothing is left; `pydantic.ValidationError`
    where the person's number or the region's code cannot be one.
    """
    if (pack.region, psn_no) == (statement["region"], statement["psn_no"]):
        raise StatementRefused(
            f"this is a statement of the ledger {pack.region} itself, which goes on without it: carried in, "
            "everything in it would count twice"
        )
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


def carrying_page(
    statement: Statement, pack: Pack, office: Office, event: CarriedIn, trial: Trial, *, named: bool
) -> str:
    """What carrying in would change. Persons' numbers are left out where the page goes to standard error."""
    page = Page()
    page.rule("=")
    page.text(f"累计结转预览　{statement['year']} 年")
    page.rule("=")
    if named:
        page.term("原人员编号", statement["psn_no"])
        page.term("人员编号", event.psn_no)
    page.term("出具机构", office.name)
    page.term("出具时间", statement["issued_at"])
    page.term("原统筹区", statement["region"])
    page.term("结转至", event.insuplc_admdvs)
    page.term("结论", _EFFECTS[trial.effect])
    page.section("结转的各层累计")
    rows = [["待遇层", FIELD_WORDS["base"].zh, FIELD_WORDS["paid"].zh]]
    labels = {layer.id: layer.label for layer in pack.layers}
    rows += [[labels[id_], printed(kept.base), printed(kept.paid)] for id_, kept in event.layers.items()]
    page.laid_out(aligned(rows))
    movement_sections(page, summary(trial.payouts), trial.signals)
    page.rule("=")
    return str(page)
