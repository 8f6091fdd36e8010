"""A person's year put together for telling: what was settled and corrected, where every layer stands, what comes next.

The year is folded once more from its entries, so that every line has its row and its reason; what it comes to must be
what the ledger says.
"""

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from contracts.application import ApplicationDecided
from contracts.discharge import Settled
from contracts.journal import Account, Entry, Share
from contracts.money import Fen, yuan
from contracts.pack import Layer, Pack, Row, ratio_text
from contracts.vocabulary import BUCKET_FIELDS, BUCKETS, Care, LayerId, Reason, SignalKind, Status
from contracts.year_sheet import (
    ApplicationSheet,
    ByPart,
    ChangeSheet,
    HeldIdentities,
    LayerSheet,
    LineSheet,
    NextOfCare,
    NextOfLayer,
    NextYuan,
    OpeningSheet,
    RegionSheet,
    RevisionSheet,
    SettlementSheet,
    StandingSignal,
    YearSheet,
)
from workers.adjudication.adjudicate import NO_ACCOUNT, adjudicate
from workers.adjudication.application import granted
from workers.adjudication.books import Books
from workers.adjudication.layer import Decision
from workers.adjudication.ledger import codes_that_count
from workers.adjudication.next_yuan import WHOLE, Part, Standing, next_yuan
from workers.adjudication.payout import grounds
from workers.desk.person_year import PersonYear
from workers.desk.source import SourceUnfit

CARES = (Care.INPATIENT, Care.SPECIAL_OUTPATIENT, Care.OUTPATIENT)


def year_sheet(books: Books, psn_no: str, number: int, years: Sequence[PersonYear], on: str) -> YearSheet:
    """The sheet of a person's ledgers of a year; `on` is the day for which the next yuan is asked.

    Raises `SourceUnfit` where a ledger's entries do not lead to its accounts.
    """
    return {
        "type": "year_sheet",
        "psn_no": psn_no,
        "year": number,
        "identities": _identities(years),
        "regions": [_region(books, year, on) for year in years],
    }


def _identities(years: Sequence[PersonYear]) -> HeldIdentities | None:
    person = years[0].person if years else None
    if person is None or person.known_at is None:
        return None
    return {
        "known_at": person.known_at,
        "psn_idet": [
            {"psn_idet_type": period.psn_idet_type, "begntime": period.begntime, "endtime": period.endtime}
            for period in person.identities or ()
        ],
    }


def _region(books: Books, ledger: PersonYear, on: str) -> RegionSheet:
    fold = Fold(books, ledger)
    digests = dict.fromkeys((*ledger.year.packs, ledger.in_use.digest))
    in_use = {pack.digest for pack in books.packs.packs}
    return {
        "region": ledger.region,
        "name": ledger.in_use.name,
        "packs": [{"digest": digest, "in_use": digest in in_use} for digest in digests],
        "opening": _opening(fold, ledger),
        "entries": fold.entries,
        "layers": fold.layers(on),
        "signals": list(_signals(ledger)),
        "next_yuan": _next_yuan(books, ledger, on),
    }


def _opening(fold: "Fold", ledger: PersonYear) -> OpeningSheet | None:
    opening = ledger.year.opening
    if opening is None:
        return None
    layers: OpeningSheet = {"known_at": opening.known_at, "layers": []}
    for name, account in opening.layers.items():
        base, paid = yuan(account.base), yuan(account.paid)
        layers["layers"].append({"layer": LayerId(name), "label": fold.label(name), "base": base, "paid": paid})
    return layers


def _signals(ledger: PersonYear) -> Iterator[StandingSignal]:
    for name, state in ledger.year.signals.items():
        if state.raised:
            kind, _, layer = name.partition(":")
            yield {
                "kind": SignalKind(kind),
                "layer": LayerId(layer) if layer else None,
                "revision": state.revision,
            }


class Fold:
    """A ledger folded for its sheet: its entries told, and the row that counted last in each layer."""

    def __init__(self, books: Books, ledger: PersonYear) -> None:
        self._books = books
        self._ledger = ledger
        self.accounts: Mapping[str, Account] = {} if ledger.year.opening is None else ledger.year.opening.layers
        self.rows: dict[str, tuple[Layer, Row]] = {}
        self.reported: dict[str, Fen] = {}
        last = last_bill(ledger)
        self._insutype = "" if last is None else last.insutype
        self._known = {layer.id: layer for pack in (*ledger.packs.values(), ledger.in_use) for layer in pack.layers}
        self.entries = [self._told(number, entry) for number, entry in enumerate(ledger.entries, 1)]
        if dict(self.accounts) != dict(ledger.year.accounts):
            raise SourceUnfit(
                f"{ledger.region}, {ledger.number}: the year's entries do not lead to its accounts; see the runbook"
            )

    def label(self, layer: str) -> str:
        """The name of a layer that any of the year's packs has had."""
        return self._known[LayerId(layer)].label

    def _told(self, number: int, entry: Entry) -> SettlementSheet | ApplicationSheet:
        pack = self._ledger.packs[entry.digest]
        if isinstance(entry.fact, Settled):
            return self._settlement(number, entry, entry.fact, pack)
        return self._application(number, entry, entry.fact, pack)

    def _settlement(self, number: int, entry: Entry, bill: Settled, pack: Pack) -> SettlementSheet:
        first = _first(entry)
        left = 0
        others: Mapping[str, Fen] = {}
        if entry.live:
            plan = self._books.planner(pack).plan(bill)
            found = adjudicate(bill, entry.codes, plan, self.accounts, again=True)
            self.accounts, left, others = found.accounts, found.psn_part_amt, found.others
            lines = [self._line(decision, first) for decision in found.decisions]
            told = {line["layer"] for line in lines}
            gone = [share for share in entry.shares if share.layer not in told]
            lines += [self._former(share, Reason.NOT_IN_FORCE, first) for share in gone]
        else:
            lines = [self._former(share, Reason.REVERSED, first) for share in entry.shares]
        sheet: SettlementSheet = {
            "kind": "settlement",
            "number": number,
            "setl_id": bill.setl_id,
            "mdtrt_id": bill.mdtrt_id,
            "msgid": bill.msgid,
            "fixmedins_code": bill.fixmedins_code,
            "insuplc_admdvs": bill.insuplc_admdvs,
            "insutype": bill.insutype,
            "care": bill.care,
            "begndate": bill.begndate,
            "enddate": bill.enddate,
            "setl_time": bill.setl_time,
            "medfee_sumamt": yuan(bill.medfee_sumamt),
            "codes": list(entry.codes),
            "live": entry.live,
            "revision": entry.revision,
            "pack": entry.digest,
            "lines": lines,
            "psn_part_amt": yuan(left),
            "revisions": self._revisions(entry),
        }
        if others:
            sheet["other_payments"] = {name: yuan(amount) for name, amount in others.items()}
        return sheet

    def _line(self, decision: Decision, first: Mapping[str, Fen]) -> LineSheet:
        layer, row = decision.layer, decision.row
        if row is not None:
            self.rows[layer.id] = layer, row
        self.reported[layer.id] = self.reported.get(layer.id, 0) + decision.reported
        line: LineSheet = {
            "layer": layer.id,
            "label": layer.label,
            "status": decision.status,
            "reason": decision.reason,
            "who": None if row is None else row.who,
            "base": yuan(decision.base),
            "fund_payamt": yuan(decision.paid),
            "first": yuan(first.get(layer.id, 0)),
        }
        if decision.pending is not None:
            line["pending_payamt"] = yuan(decision.pending)
        return line

    def _former(self, share: Share, reason: Reason, first: Mapping[str, Fen]) -> LineSheet:
        return {
            "layer": LayerId(share.layer),
            "label": self.label(share.layer),
            "status": Status.NOTHING,
            "reason": reason,
            "who": None,
            "base": yuan(0),
            "fund_payamt": yuan(0),
            "first": yuan(first.get(share.layer, 0)),
        }

    def _application(self, number: int, entry: Entry, decision: ApplicationDecided, pack: Pack) -> ApplicationSheet:
        grant = granted(pack, decision, self.accounts)
        self.accounts = grant.accounts
        first = _first(entry)
        if grant.row is not None:
            self.rows[grant.layer.id] = grant.layer, grant.row
        ever_paid = any(first.values()) or any(revision.changes for revision in entry.revisions or ())
        line: LineSheet = {
            "layer": grant.layer.id,
            "label": grant.layer.label,
            "status": Status.PAID if grant.share.paid else Status.NOTHING,
            "reason": None,
            "who": None if grant.row is None else grant.row.who,
            "base": yuan(grant.counted),
            "fund_payamt": yuan(grant.share.paid),
            "first": yuan(first.get(grant.layer.id, 0)),
        }
        return {
            "kind": "application",
            "number": number,
            "application_id": decision.application_id,
            "insuplc_admdvs": decision.insuplc_admdvs,
            "applicant": decision.applicant,
            "applied_on": decision.applied_on,
            "known_at": decision.known_at,
            "decision": "approved" if decision.approved else "withdrawn" if ever_paid else "refused",
            "other_assistance": yuan(decision.other_assistance),
            "revision": entry.revision,
            "pack": entry.digest,
            "lines": [line],
            "revisions": self._revisions(entry),
        }

    def _revisions(self, entry: Entry) -> list[RevisionSheet]:
        told: list[RevisionSheet] = []
        for revision in entry.revisions or ():
            changes: list[ChangeSheet] = [
                {
                    "layer": LayerId(layer),
                    "label": self.label(layer),
                    "delta": yuan(delta),
                    "to_person": yuan(revision.to_person.get(layer, 0)),
                }
                for layer, delta in revision.changes.items()
            ]
            told.append({"revision": revision.revision, "cause": revision.cause, "changes": changes})
        return told

    def layers(self, on: str) -> list[LayerSheet]:
        """Where every layer of the pack in use stands, then those that an earlier pack of the year had."""
        editions = {layer.id: layer for layer, _ in self._ledger.in_use.layers_on(on)}
        former = {name: self._known[LayerId(name)] for name in (*self.accounts, *self.reported) if name not in editions}
        return [self._standing(layer) for layer in (*editions.values(), *former.values())]

    def _standing(self, layer: Layer) -> LayerSheet:
        layer, row = self.rows.get(layer.id, (layer, None))
        account = self.accounts.get(layer.id, NO_ACCOUNT)
        curve = None if row is None else row.curve
        deductible = None if curve is None else curve.deductible
        cap = None if row is None else row.cap
        clauses, readings = ([], []) if row is None else grounds(layer, row, None, bool(deductible), cap is not None)
        standing: LayerSheet = {
            "layer": layer.id,
            "label": layer.label,
            "fund_pay_type": layer.fund_pay_type_for(self._insutype),
            "mode": layer.mode,
            "reported": yuan(self.reported.get(layer.id, 0)),
            "base": yuan(account.base),
            "paid": yuan(account.paid),
            "who": None if row is None else row.who,
            "deductible": None if deductible is None else yuan(deductible),
            "deductible_used": None if deductible is None else yuan(min(account.base, deductible)),
            "cap": None if cap is None else yuan(cap),
            "cap_left": None if cap is None else yuan(max(0, cap - account.paid)),
            "clauses": clauses,
            "readings": readings,
        }
        if layer.mode == "on_application" and curve is not None:
            owed = curve.owed(account.base)
            standing["pending_payamt"] = yuan(max(0, (owed if cap is None else min(cap, owed)) - account.paid))
        return standing


def _first(entry: Entry) -> dict[str, Fen]:
    """What an entry's first revision said that each layer pays: what stands now without what was changed since."""
    paid = {share.layer: share.paid if entry.live else 0 for share in entry.shares}
    for revision in entry.revisions or ():
        for layer, delta in revision.changes.items():
            paid[layer] = paid.get(layer, 0) - delta
    return paid


def last_bill(ledger: PersonYear) -> Settled | None:
    """The last settlement that was not reversed, else the last of all: how the person is insured."""
    bills = [(entry.live, entry.fact) for entry in ledger.entries if isinstance(entry.fact, Settled)]
    return next((bill for live, bill in reversed(bills) if live), bills[-1][1] if bills else None)


# ── the next yuan ─────────────────────────────────────────────────────────────────────────────────────────────


def _next_yuan(books: Books, ledger: PersonYear, on: str) -> NextYuan | None:
    last = last_bill(ledger)
    if last is None:
        return None
    pack = books.pack_for(last.insuplc_admdvs)
    codes = codes_that_count(ledger.person, last, on)
    standing = Standing(on, last.insutype, last.premium_subsidised, codes)
    return {
        "on": on,
        "insutype": last.insutype,
        "codes": list(codes),
        "pack": pack.digest,
        "cares": [_of_care(pack, standing, care, ledger.year.accounts) for care in CARES],
    }


def _of_care(pack: Pack, standing: Standing, care: Care, accounts: Mapping[str, Account]) -> NextOfCare:
    by_part = [next_yuan(pack, standing, care, bucket, accounts) for bucket in range(len(BUCKETS))]
    left = [WHOLE - sum((part.share or Fraction(0) for part in parts), Fraction(0)) for parts in by_part]
    return {"care": care, "layers": [_of_layer(parts) for parts in zip(*by_part, strict=True)], "left": _texts(left)}


def _of_layer(parts: Sequence[Part]) -> NextOfLayer:
    """One layer's parts of one more fen, by bucket."""
    layer, row = parts[0].layer, parts[0].row
    shares = [part.share for part in parts if part.share is not None]
    pending = [part.pending for part in parts if part.pending is not None]
    reasons = [part.reason for part in parts if part.reason is not Reason.NOTHING_LEFT]
    told: NextOfLayer = {
        "layer": layer.id,
        "label": layer.label,
        "who": None if row is None else row.who,
        "shares": _texts(shares) if shares else None,
        "reason": None if any(shares) or any(pending) else next(iter(reasons), Reason.NOTHING_LEFT),
    }
    if pending:
        told["pending"] = _texts(pending)
    return told


def _texts(shares: Sequence[Fraction]) -> ByPart:
    return {name: ratio_text(share) for name, share in zip(BUCKET_FIELDS, shares, strict=True)}
