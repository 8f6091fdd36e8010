"""Which layers look at a settlement at all, and whose payments were made elsewhere: everything but the amounts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.discharge import Settled
from contracts.pack import Layer, Pack
from contracts.vocabulary import FUND_FIELDS, Care, Exclusion, LayerId, Reason, Status
from workers.adjudication.layer import Decision


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One layer's place in the plan. `reason` says why it does not look at the settlement; None: it does.

    `reports` are the fund fields whose payments stand on this layer's line, if there are any. `quiet` is the decision
    where they hold nothing and the layer does not look: always the same one.
    """

    layer: Layer
    reason: Reason | None
    reports: tuple[str, ...]
    quiet: Decision | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The steps in pack order, and what is drawn before the step at `unnamed_before`.

    `unnamed` are the fund fields that no layer names.
    """

    steps: tuple[Step, ...]
    unnamed: tuple[str, ...]
    unnamed_before: int


@dataclass(slots=True)
class Planner:
    """Plans of one pack, each made once. A pack has few: they differ by edition, insurance, care and exclusions."""

    pack: Pack
    _plans: dict[tuple[object, ...], Plan] = field(default_factory=dict)

    def plan(self, bill: Settled) -> Plan:
        """The plan for a bill; depends on its day, insurance type, care and exclusions only."""
        exclusions = bill.exclusions or ()
        editions = self.pack.layers_on(bill.enddate)
        key = (id(editions), bill.insutype, bill.med_type[:2], exclusions)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._make(editions, bill.insutype, bill.care, frozenset(exclusions))
            if len(self._plans) < 65_536:
                self._plans[key] = plan
        return plan

    @staticmethod
    def _make(
        editions: tuple[tuple[Layer, bool], ...], insutype: str, care: Care, exclusions: frozenset[Exclusion]
    ) -> Plan:
        reasons = {layer.id: not_looked_at(layer, there, insutype, care, exclusions) for layer, there in editions}
        owner: dict[str, Layer] = {}
        for layer, _ in editions:
            for name in layer.fund_fields:
                held = owner.get(name)
                if held is None or _fits_better(layer, held, reasons, care):
                    owner[name] = layer
        steps = []
        for layer, _ in editions:
            reason = reasons[layer.id]
            reports = tuple(name for name in layer.fund_fields if owner[name] is layer)
            steps.append(Step(layer, reason, reports, _quiet(layer, reason)))
        unnamed = tuple(name for name in FUND_FIELDS if name not in owner)
        first_computed = next((i for i, step in enumerate(steps) if step.layer.mode != "reported"), len(steps))
        return Plan(tuple(steps), unnamed, first_computed)


def _fits_better(layer: Layer, held: Layer, reasons: Mapping[LayerId, Reason | None], care: Care) -> bool:
    """Whether a fund field that two layers name stands for `layer` rather than for the one before it.

    The pack check lets two layers share a field only if no settlement is looked at by both. The one that looks owns it;
    where none does, the first that covers the care, or the first of all.
    """
    if held.mode == "reported" or (reasons[layer.id] is None) != (reasons[held.id] is None):
        return held.mode != "reported" and reasons[layer.id] is None
    return care in layer.cares and care not in held.cares


def not_looked_at(
    layer: Layer, in_force: bool, insutype: str, care: Care, exclusions: frozenset[Exclusion]
) -> Reason | None:
    """Why a layer does not look at a settlement; None: it does, or the platform computes it."""
    if layer.mode == "reported":
        return None
    if not in_force:
        return Reason.NOT_IN_FORCE
    if layer.insutypes is not None and insutype not in layer.insutypes:
        return Reason.OTHER_INSURANCE
    if care not in layer.cares:
        return Reason.CARE_NOT_COVERED
    if not exclusions.isdisjoint(layer.excludes):
        return Reason.EXCLUDED_CAUSE
    return None


def _quiet(layer: Layer, reason: Reason | None) -> Decision | None:
    if layer.mode == "reported":
        return Decision(layer, Status.REPORTED, None)
    return None if reason is None else Decision(layer, Status.NOTHING, reason)
