"""From a pack's files to the frozen layers, rows and curves that the core settles by; `pack_rules` checks them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from contracts.money import Fen
from contracts.pack import BEGINNING, ApplicationRule, Curve, Layer, Pack, Row, Watch
from contracts.pack_fields import FUND_OF_OTHERS, UNCAPPED
from contracts.pack_format import (
    CONVENTIONS,
    BenefitRow,
    Citation,
    ComputedLayer,
    CountyFile,
    Document,
    Fill,
    FilledRow,
    Interpretation,
    LargeBill,
    LentClause,
    PackFile,
    ReportedLayer,
    WatchSection,
)
from contracts.vocabulary import BUCKETS, SignalKind


def compile_row(row: BenefitRow) -> Row:
    """A row as the core reads it; one without numbers where it is delegated."""
    codes = None if row.everybody else frozenset(row.codes or ())
    if row.delegated:
        return Row(row.who, codes, None, None)
    return numbered_row(row.who, codes, row)


def numbered_row(who: str, codes: frozenset[str] | None, row: BenefitRow | FilledRow) -> Row:
    """A row with its curve and its cap; None for no cap."""
    curve = Curve(row.deductible or 0, tuple(row.tiers or ()))
    return Row(who, codes, curve, None if row.cap == UNCAPPED else int(row.cap or 0))


def at_least_as_good(better: Row, worse: Row) -> bool:
    """Whether `better` pays at least what `worse` does, whatever the base and whatever was counted before.

    Deductible not higher, share nowhere lower, cap not lower: then every step along one curve is at least the same
    step along the other, which the comparison of totals alone would not prove.
    """
    if better.curve is None or worse.curve is None:
        raise ValueError("a delegated row has no numbers to compare")
    if better.curve.deductible > worse.curve.deductible:
        return False
    points = {start for curve in (better.curve, worse.curve) for start, _ in curve.tiers} | {worse.curve.deductible}
    for point in points:
        if point >= worse.curve.deductible and _share(better.curve, point) < _share(worse.curve, point):
            return False
    return better.cap is None or (worse.cap is not None and better.cap >= worse.cap)


def _share(curve: Curve, base: Fen) -> Fraction:
    """The share of the next fen above `base`, the deductible not considered."""
    return next(ratio for start, ratio in reversed(curve.tiers) if start <= base)


def place_of_filled(rows: Sequence[Row], filled: Row) -> int | None:
    """Where among ordered `rows` a county's row goes so that the order holds; None if it crosses one."""
    for place in range(len(rows) + 1):
        before, after = rows[:place], rows[place:]
        if all(at_least_as_good(row, filled) for row in before) and all(at_least_as_good(filled, row) for row in after):
            return place
    return None


def _clauses(citations: Iterable[Citation], own: str, documents: Mapping[str, Document]) -> dict[str, tuple[str, ...]]:
    clauses: dict[str, dict[str, None]] = {}
    for citation in citations:
        clause = f"{documents[citation.document or own].number} {citation.clause}"
        for key in citation.supports:
            clauses.setdefault(key, {})[clause] = None
    return {key: tuple(found) for key, found in clauses.items()}


def _clauses_of_row(
    who: str, citations: Sequence[Citation], own: str, documents: Mapping[str, Document]
) -> dict[str, tuple[str, ...]]:
    """The clauses of one row in place of the layer's, for keys of which a citation says whom it is about."""
    keys = {key for citation in citations if citation.who is not None for key in citation.supports}
    about = _clauses((citation for citation in citations if citation.is_about(who)), own, documents)
    return {key: about.get(key, ()) for key in sorted(keys)}


def _readings(layer_id: str, interpretations: Iterable[Interpretation]) -> dict[str, tuple[str, ...]]:
    readings: dict[str, list[str]] = {}
    for entry in interpretations:
        for concern in entry.concerns:
            owner, _, key = concern.partition(".")
            if owner in CONVENTIONS:
                readings.setdefault(concern, []).append(entry.id)
            elif owner == layer_id:
                readings.setdefault(key, []).append(entry.id)
    return {key: tuple(found) for key, found in readings.items()}


def _fund_codes(codes: Mapping[str, str]) -> tuple[dict[str, str], str]:
    return {key: code for key, code in codes.items() if key}, codes.get("", FUND_OF_OTHERS)


def _reported(layer: ReportedLayer, pack: PackFile) -> Layer:
    fund_pay_types, fund_pay_type = _fund_codes(layer.fund_pay_type)
    return Layer(
        id=layer.id,
        label=layer.label,
        mode="reported",
        fund_fields=layer.reported,
        fund_pay_types=fund_pay_types,
        fund_pay_type=fund_pay_type,
        readings=_readings(layer.id, pack.interpretations),
    )


def _computed(layer: ComputedLayer, pack: PackFile) -> Layer:
    fund_pay_types, fund_pay_type = _fund_codes(layer.fund_pay_type)
    rows = [
        replace(compile_row(row), clauses=_clauses_of_row(row.who, layer.citations, layer.document, pack.documents))
        for row in layer.benefits
    ]
    if layer.overlap == "lowest":
        rows = [row for row in reversed(rows) if row.codes is not None] + [row for row in rows if row.codes is None]
    application = None
    if layer.application is not None:
        application = ApplicationRule(
            deadline=layer.application.until,
            insured_years_least=layer.application.insured_years,
            rows=dict(layer.application.applicants),
            hardship_first=frozenset(layer.application.hardship_first),
        )
    return Layer(
        id=layer.id,
        label=layer.label,
        mode="on_application" if layer.paid == "on_application" else "computed",
        fund_fields=layer.fund_fields,
        fund_pay_types=fund_pay_types,
        fund_pay_type=fund_pay_type,
        first_day=layer.first_day.isoformat(),
        last_day=layer.until.isoformat() if layer.until else None,
        insutypes=layer.insutype,
        cares=frozenset(layer.settles),
        excludes=frozenset(layer.excludes),
        needs_subsidised_premium=bool(layer.requires),
        base=tuple(BUCKETS.index(bucket) for bucket in layer.base),
        rows=tuple(rows),
        application=application,
        clauses=_clauses(layer.citations, layer.document, pack.documents),
        readings=_readings(layer.id, pack.interpretations),
    )


def _watch(watch: WatchSection, pack: PackFile) -> Watch:
    clause = f"{pack.documents[watch.document].number} {watch.clause}"
    if isinstance(watch, LentClause):
        return Watch(SignalKind(watch.id), watch.label, BEGINNING, clause)
    first_day = watch.first_day.isoformat()
    if isinstance(watch, LargeBill):
        return Watch(SignalKind(watch.id), watch.label, first_day, clause, at_least=watch.at_least)
    return Watch(
        SignalKind(watch.id),
        watch.label,
        first_day,
        clause,
        codes=frozenset(watch.codes),
        cares=frozenset(watch.settles),
    )


def _filled(layer: Layer, fill: Fill, county: CountyFile) -> list[Layer]:
    """One edition of a city's layer with a county's rows, split at the fill's first and last day."""
    first, last = fill.first_day.isoformat(), fill.until.isoformat() if fill.until else None
    if (last is not None and last < layer.first_day) or (layer.last_day is not None and first > layer.last_day):
        return [layer]
    rows = _with_filled_rows(layer.rows, fill, county)
    filled = replace(layer, first_day=max(first, layer.first_day), rows=rows)
    parts = []
    if layer.first_day < first:
        parts.append(replace(layer, last_day=(fill.first_day - timedelta(days=1)).isoformat()))
    if fill.until is not None and last is not None and (layer.last_day is None or last < layer.last_day):
        parts.append(replace(filled, last_day=last))
        parts.append(replace(layer, first_day=(fill.until + timedelta(days=1)).isoformat()))
    else:
        parts.append(filled)
    return parts


def _with_filled_rows(rows: Sequence[Row], fill: Fill, county: CountyFile) -> tuple[Row, ...]:
    """The rows with a county's in their places; each of those is supported by the county's own clauses."""
    numbered = [row for row in rows if row.curve is not None]
    delegated = {row.who: row for row in rows if row.curve is None}
    for row in fill.benefits:
        held = delegated.pop(row.who, None)
        if held is None:
            continue
        about = (citation for citation in fill.citations if citation.is_about(row.who))
        clauses = {**held.clauses, **_clauses(about, fill.document, county.documents)}
        filled = replace(numbered_row(row.who, held.codes, row), clauses=clauses)
        place = place_of_filled(numbered, filled)
        numbered.insert(len(numbered) if place is None else place, filled)
    return (*numbered, *delegated.values())


def compile_pack(city: PackFile, county: CountyFile | None, texts: Sequence[str], digest: str) -> Pack:
    """The pack as the core reads it."""
    layers = [
        _reported(layer, city) if isinstance(layer, ReportedLayer) else _computed(layer, city) for layer in city.layers
    ]
    if county is not None:
        for fill in county.fills:
            layers = [
                part
                for layer in layers
                for part in (_filled(layer, fill, county) if layer.id == fill.layer else [layer])
            ]
    return Pack(
        region=city.region,
        name=county.name if county else city.name,
        digest=digest,
        texts=tuple(texts),
        layers=tuple(layers),
        watches=tuple(_watch(watch, city) for watch in city.watches),
        last_first=city.corrections == "last_first",
        county=county.region if county else None,
        carrier=county.carrier if county else None,
    )
