"""Every accepted event said what the second model says, and every refused one is in quarantine exactly once.

The model is the rehearsal's auditor, which recomputes a person's years from the bare facts at each event. It is given
the person's events in the order that the journal's headers tell.
"""

import json
from collections import Counter, defaultdict
from typing import Any, Final

from contracts.pack import PackSet
from contracts.topics import PAYOUTS, QUARANTINE, SIGNALS
from workers.rehearsal.auditor import Auditor
from workers.rehearsal.proof.journal import Journal
from workers.rehearsal.proof.load import MARK
from workers.rehearsal.proof.records import Evidence, Findings

NOT_COMPARED: Final = frozenset({"clauses", "readings"})
"""Citations: the pack's own words, proved by the pack's own checks."""

SIGNAL_PARTS: Final = ("kind", "layer", "state", "psn_no", "region", "year", "revision")


def compare_with_the_model(journal: Journal, evidence: Evidence, packs: PackSet, findings: Findings) -> None:
    """Replays the partition through the model, person by person, and compares what came out."""
    models: dict[str, Auditor] = {}
    wanted_payouts: dict[str, list[list[Any]]] = defaultdict(list)
    wanted_signals: Counter[str] = Counter()
    refusals: dict[tuple[str, int], frozenset[str]] = {}
    for topic, record in journal.consumed(evidence):
        findings.count(f"inputs: {topic.split('.')[1]}")
        if MARK in record.headers:
            refusals[topic, record.offset] = frozenset()
            continue
        event = json.loads(record.value)
        model = models.setdefault(event["psn_no"], Auditor(packs))
        answer = model.take(event)
        findings.count("events judged by the second model")
        if answer.refusals:
            refusals[topic, record.offset] = frozenset(map(str, answer.refusals))
        elif answer.without_effect:
            findings.count(f"without effect: {answer.without_effect}")
        if answer.payouts:
            wanted_payouts[event["psn_no"]].append(answer.payouts)
        wanted_signals.update(_signal(signal) for signal in answer.signals)
    findings.count("persons", len(models))
    _compare_payouts(wanted_payouts, evidence, findings)
    _compare_signals(wanted_signals, evidence, findings)
    _compare_quarantine(refusals, evidence, findings)


def _compare_payouts(wanted: dict[str, list[list[Any]]], evidence: Evidence, findings: Findings) -> None:
    """Event by event. Which of a person's years comes first within one event is nobody's promise."""
    found: dict[str, list[Any]] = defaultdict(list)
    for record in evidence.topics[PAYOUTS]:
        payout = json.loads(record.value)
        found[payout["psn_no"]].append(payout)
    for psn_no in sorted(wanted.keys() | found.keys()):
        ours, theirs = wanted.get(psn_no, []), found.get(psn_no, [])
        if (count := sum(map(len, ours))) != len(theirs):
            findings.wrong(evidence.partition, f"{psn_no}: the second model says {count} payouts, not {len(theirs)}")
        at = 0
        for group in ours:
            same = theirs[at : at + len(group)]
            at += len(group)
            if differs := _first_difference(group, same):
                findings.wrong(evidence.partition, differs)
                break
            findings.count("payouts equal to the second model's", len(group))


def _first_difference(group: list[Any], same: list[Any]) -> str | None:
    pairs = zip(_by_id(json.loads(json.dumps(group))), _by_id(same), strict=False)
    named = ((other["payout_id"], difference(mine, other, "")) for mine, other in pairs)
    return next((f"{payout_id}: {differs}" for payout_id, differs in named if differs), None)


def _by_id(payouts: list[Any]) -> list[Any]:
    return sorted(payouts, key=lambda payout: str(payout["payout_id"]))


def _compare_signals(wanted: Counter[str], evidence: Evidence, findings: Findings) -> None:
    found = Counter(_signal(json.loads(record.value)) for record in evidence.topics[SIGNALS])
    for said, times in ((wanted - found) + (found - wanted)).items():
        side = "is missing" if wanted[said] > found[said] else "was invented"
        findings.wrong(evidence.partition, f"the signal {said} {side}, {times} times")


def _compare_quarantine(wanted: dict[tuple[str, int], frozenset[str]], evidence: Evidence, findings: Findings) -> None:
    times: Counter[tuple[str, int]] = Counter()
    for record in evidence.topics[QUARANTINE]:
        message = json.loads(record.value)
        if message["type"] != "refused":
            continue
        place = message["source"]["topic"], message["source"]["offset"]
        times[place] += 1
        findings.count("refused")
        reason = message["reason"]
        if place not in wanted:
            findings.wrong(evidence.partition, f"{place} was refused ({reason}), and nothing is wrong with it")
        elif wanted[place] and reason not in wanted[place]:
            findings.wrong(evidence.partition, f"{place} was refused as {reason}, not as {sorted(wanted[place])}")
        if message["source"]["partition"] != evidence.partition:
            findings.wrong(evidence.partition, f"{place} is quarantined under another partition")
    for place in wanted:
        if times[place] != 1:
            findings.wrong(evidence.partition, f"{place} had to be refused once and was {times[place]} times")


def _signal(signal: dict[str, Any]) -> str:
    return json.dumps({part: signal[part] for part in SIGNAL_PARTS}, default=str)


def difference(wanted: Any, found: Any, where: str) -> str | None:
    """The first leaf in which two messages differ; a key that only one has is a difference."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted((wanted.keys() | found.keys()) - NOT_COMPARED):
            if (key in wanted) != (key in found):
                return f"{where}.{key} is only in the {'second model' if key in wanted else 'payout'}"
            if differs := difference(wanted[key], found[key], f"{where}.{key}"):
                return differs
        return None
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{where} has {len(found)} elements, the second model says {len(wanted)}"
        pairs = enumerate(zip(wanted, found, strict=True))
        return next((differs for at, pair in pairs if (differs := difference(*pair, f"{where}[{at}]"))), None)
    return None if wanted == found else f"{where} is {found!r}, the second model says {wanted!r}"
