"""What must hold between the parts of a pack, so that it settles money the way its rows read.

Checked whenever a directory of packs is loaded, not only by `yidan packs check`: a worker refuses a pack whose rows
cross rather than pay the wrong row. A pack that the journal remembers is not asked again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import combinations, groupby, pairwise

from contracts.pack import region_prefix
from contracts.pack_compile import at_least_as_good, compile_row, numbered_row, place_of_filled
from contracts.pack_format import BenefitRow, ComputedLayer, CountyFile, Fill, FilledRow, PackFile, ReportedLayer
from contracts.pack_problem import Problem
from contracts.vocabulary import LayerId


def problems_of(pack: PackFile, file: str) -> Iterator[Problem]:
    """Everything between the parts of one region's file that must not be."""
    yield from _documents(pack, file)
    yield from _editions(pack, file)
    yield from _fund_fields(pack, file)
    yield from _fund_codes(pack, file)
    for layer in pack.computed():
        yield from _rows(layer, file)
        yield from _application(layer, file)
    first, last = pack.layers[0], pack.layers[-1].id
    if first.id != LayerId.BASIC or not isinstance(first, ReportedLayer):
        wrong = "every other layer pays on what basic insurance has left"
        yield Problem(file, "layers", "basic_is_not_first", wrong, "write basic first, as a reported layer")
    for layer in pack.computed():
        if layer.paid == "on_application" and layer.id != last:
            yield Problem(
                file,
                f"{layer.id}.paid",
                "application_layer_is_not_last",
                "a layer paid on application looks at what all others left",
                "write it as the last layer",
            )


def _documents(pack: PackFile, file: str) -> Iterator[Problem]:
    named = [(f"{layer.id}.document", layer.document) for layer in pack.computed()]
    named += [(f"{layer.id}.citations", c.document) for layer in pack.computed() for c in layer.citations if c.document]
    named += [(f"{watch.id}.document", watch.document) for watch in pack.watches]
    named += [(f"left_out {entry.clause}", entry.document) for entry in pack.left_out]
    yield from _unknown_documents(named, pack.documents, file)
    for layer in pack.computed():
        document = pack.documents.get(layer.document)
        if document is not None and layer.first_day < document.effective:
            yield Problem(
                file,
                f"{layer.id}.from",
                "layer_begins_before_its_document",
                f"{layer.first_day} lies before {document.number} took effect on {document.effective}",
                "correct `from` or the document's `effective`",
            )


def _unknown_documents(named: Iterable[tuple[str, str]], documents: Iterable[str], file: str) -> Iterator[Problem]:
    known = set(documents)
    for key, name in named:
        if name not in known:
            yield Problem(file, key, "document_is_unknown", f"no [documents.{name}]", "describe it under [documents]")


def _editions(pack: PackFile, file: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for layer_id, group in groupby(pack.layers, key=lambda layer: layer.id):
        if layer_id in seen:
            yield Problem(
                file,
                layer_id,
                "editions_are_apart",
                "another layer stands between them",
                "write editions one after another",
            )
            continue
        seen.add(layer_id)
        editions = list(group)
        if len(editions) > 1 and any(isinstance(edition, ReportedLayer) for edition in editions):
            yield Problem(file, layer_id, "layer_is_repeated", "a reported layer has no editions", "write it once")
            continue
        for earlier, later in pairwise(edition for edition in editions if isinstance(edition, ComputedLayer)):
            if earlier.until is None or later.first_day <= earlier.until:
                wrong = f"one runs until {earlier.until or 'ever'}, the next from {later.first_day}"
                fix = "end the earlier one the day before the later"
                yield Problem(file, f"{layer_id}.until", "editions_overlap", wrong, fix)
            elif later.first_day > earlier.until + timedelta(days=1):
                wrong = f"nothing is in force between {earlier.until} and {later.first_day}"
                yield Problem(file, f"{layer_id}.from", "gap_between_editions", wrong, "let them meet")


def _fund_fields(pack: PackFile, file: str) -> Iterator[Problem]:
    for one, other in combinations(pack.layers, 2):
        if one.id == other.id:
            continue
        for field in sorted(set(_fields(one)) & set(_fields(other))):
            if _may_meet(one, other):
                yield Problem(
                    file,
                    f"{other.id}.fund_fields",
                    "fund_field_is_in_two_layers",
                    f"{field} also holds what {one.id} pays, for the same care",
                    "name each fund field once, or part the layers by the care they settle",
                )


def _fund_codes(pack: PackFile, file: str) -> Iterator[Problem]:
    """A reported layer's fund code on another layer's line too: the two could not be told apart when money is matched.

    Layers that Yidan computes may share one, as the two of medical assistance do.
    """
    for one, other in combinations(pack.layers, 2):
        if one.id == other.id or not (isinstance(one, ReportedLayer) or isinstance(other, ReportedLayer)):
            continue
        for code in sorted(set(one.fund_pay_type.values()) & set(other.fund_pay_type.values())):
            wrong = f"{code} is also the fund of {one.id}, which the platform reports"
            fix = "give each its own fund code; 999997 stands for 其他"
            yield Problem(file, f"{other.id}.fund_pay_type", "fund_code_is_in_two_layers", wrong, fix)


def _fields(layer: ReportedLayer | ComputedLayer) -> tuple[str, ...]:
    return layer.reported if isinstance(layer, ReportedLayer) else layer.fund_fields


def _may_meet(one: ReportedLayer | ComputedLayer, other: ReportedLayer | ComputedLayer) -> bool:
    """Whether both can settle the same bill. A reported layer settles any."""
    if isinstance(one, ReportedLayer) or isinstance(other, ReportedLayer):
        return True
    return (
        not set(one.settles).isdisjoint(other.settles)
        and (one.insutype is None or other.insutype is None or not one.insutype.isdisjoint(other.insutype))
        and one.first_day <= (other.until or date.max)
        and other.first_day <= (one.until or date.max)
    )


def _rows(layer: ComputedLayer, file: str) -> Iterator[Problem]:
    rows = layer.benefits
    for one, other in combinations(rows, 2):
        key = f"{layer.id}.benefits.{other.who}"
        if one.who == other.who:
            yield Problem(file, key, "row_is_repeated", "two rows are for the same people", "write one row")
        if both := sorted(set(one.codes or ()) & set(other.codes or ())):
            wrong = f"{'、'.join(both)} also stands in the row {one.who}"
            yield Problem(
                file, f"{key}.codes", "code_is_in_two_rows", wrong, "decide for one row and say why in a reading"
            )
        if one.everybody:
            wrong = f"the row {one.who} before it is for everybody"
            yield Problem(file, key, "row_is_never_reached", wrong, "write the row for everybody last")
    for row in rows:
        yield from _falling(row, f"{layer.id}.benefits.{row.who}", file)
    numbered = [compile_row(row) for row in rows if not row.delegated]
    for better, worse in pairwise(numbered):
        if not at_least_as_good(better, worse):
            yield Problem(
                file,
                f"{layer.id}.benefits.{worse.who}",
                "rows_cross",
                f"the row {better.who} before it is not at least as good throughout",
                "write rows from most to least favourable: deductible not higher, share nowhere lower, cap not lower",
            )


def _falling(row: BenefitRow | FilledRow, key: str, file: str) -> Iterator[Problem]:
    ratios = [ratio for _, ratio in row.tiers or ()]
    if any(later < earlier for earlier, later in pairwise(ratios)):
        wrong = "a later yuan is paid at a lower share than an earlier one"
        yield Problem(file, f"{key}.tiers", "tiers_fall", wrong, "correct the shares; a ceiling is written as `cap`")


def _application(layer: ComputedLayer, file: str) -> Iterator[Problem]:
    if layer.application is None:
        return
    rows = {row.who for row in layer.benefits}
    for applicant, who in layer.application.applicants.items():
        if who not in rows:
            key = f"{layer.id}.application.applicants.{applicant}"
            yield Problem(file, key, "applicant_names_no_row", f"no row is for {who}", "name the `who` of a row")
    for applicant in layer.application.hardship_first:
        if applicant not in layer.application.applicants:
            key = f"{layer.id}.application.hardship_first"
            yield Problem(
                file, key, "applicant_names_no_row", f"{applicant} is no applicant", "name one of `applicants`"
            )


def problems_of_county(county: CountyFile, city: PackFile, file: str) -> Iterator[Problem]:
    """Everything in a county's file that must not be, beside its city's."""
    if not county.region.startswith(region_prefix(city.region)) or county.region == city.region:
        wrong = f"{county.region} is not in {city.region}"
        yield Problem(file, "region", "county_is_outside_its_city", wrong, "correct `region` or `extends`")
    named = [(f"{fill.layer}.document", fill.document) for fill in county.fills]
    named += [(f"{fill.layer}.citations", c.document) for fill in county.fills for c in fill.citations if c.document]
    yield from _unknown_documents(named, county.documents, file)
    for one, other in combinations(county.fills, 2):
        shared = {row.who for row in one.benefits} & {row.who for row in other.benefits}
        if (
            one.layer == other.layer
            and shared
            and one.first_day <= (other.until or date.max)
            and other.first_day <= (one.until or date.max)
        ):
            wrong = f"two fills for {'、'.join(sorted(shared))} hold on the same days"
            yield Problem(file, f"{other.layer}.from", "editions_overlap", wrong, "end the earlier one with `until`")
    for fill in county.fills:
        yield from _fill(fill, [layer for layer in city.computed() if layer.id == fill.layer], county.documents, file)


def _fill(
    fill: Fill, editions: Sequence[ComputedLayer], documents: Mapping[str, object], file: str
) -> Iterator[Problem]:
    for row in fill.benefits:
        key = f"{fill.layer}.benefits.{row.who}"
        open_to_it = [
            edition for edition in editions if any(city.delegated and city.who == row.who for city in edition.benefits)
        ]
        if not open_to_it:
            yield Problem(
                file,
                key,
                "county_changes_more_than_it_may",
                f"the city's {fill.layer} has no delegated row for {row.who}",
                "fill only rows that the city marks `delegated = true`",
            )
        yield from _falling(row, key, file)
        for edition in open_to_it:
            others = [compile_row(city) for city in edition.benefits if not city.delegated]
            if place_of_filled(others, numbered_row(row.who, None, row)) is None:
                wrong = "it pays more than a row of the city at one base and less at another"
                yield Problem(file, key, "rows_cross", wrong, "ask the city how the two rank; a pack cannot pay both")
