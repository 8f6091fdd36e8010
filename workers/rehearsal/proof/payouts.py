"""What the payouts say by themselves, and against the journal: each once, deltas that add up, no cap overspent."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.topics import PAYOUTS, SIGNALS
from workers.rehearsal.proof.journal import Journal
from workers.rehearsal.proof.records import Evidence, Findings

Message = dict[str, Any]

NO_CAP: Final = 10**18
"""Fen. More than there is."""


def fen(yuan: str) -> int:
    """Whole fen of an amount with two decimals."""
    whole, _, cents = yuan.removeprefix("-").partition(".")
    amount = int(whole) * 100 + int((cents + "00")[:2])
    return -amount if yuan.startswith("-") else amount


@dataclass(slots=True)
class Said:
    """Everything said about one settlement or application: its payouts in order."""

    payouts: list[Message] = field(default_factory=list)

    def by_layer(self, key: str, payee: str | None = None) -> dict[str, int]:
        """Sums over all revisions, layer by layer; of what went to one payee if that is named."""
        sums: dict[str, int] = defaultdict(int)
        for payout in self.payouts:
            for line in payout["lines"]:
                if payee is None or (line["payable"] and line["payee"] == payee):
                    sums[line["layer"]] += fen(line[key])
        return sums

    def latest(self) -> dict[str, int]:
        """What the last revision says that each layer pays."""
        return {line["layer"]: fen(line["fund_payamt"]) for line in self.payouts[-1]["lines"]}


def read_payouts(evidence: Evidence, findings: Findings) -> dict[str, Said]:
    """All payouts by what they are about; finds what was said twice, out of turn, or does not add up."""
    said: dict[str, Said] = {}
    seen: set[str] = set()
    for record in evidence.topics[PAYOUTS]:
        payout = json.loads(record.value)
        findings.count(f"payouts: {payout['kind']}")
        if payout["payout_id"] in seen:
            findings.wrong(evidence.partition, f"{payout['payout_id']} was said twice, again at {record.offset}")
            continue
        seen.add(payout["payout_id"])
        about, _, revision = payout["payout_id"].rpartition(":")
        history = said.setdefault(about, Said())
        if int(revision) != payout["revision"] or payout["revision"] != len(history.payouts) + 1:
            findings.wrong(evidence.partition, f"{payout['payout_id']} comes after {len(history.payouts)} others")
        history.payouts.append(payout)
        findings.count("fen moved", sum(abs(fen(line["delta"])) for line in payout["lines"] if line["payable"]))
        if any(total != history.latest()[layer] for layer, total in history.by_layer("delta").items()):
            findings.wrong(evidence.partition, f"the deltas up to {payout['payout_id']} do not add up")
    signals: set[str] = set()
    for record in evidence.topics[SIGNALS]:
        signal = json.loads(record.value)
        findings.count(f"signals: {signal['kind']} {signal['state']}")
        if signal["signal_id"] in signals:
            findings.wrong(evidence.partition, f"the signal {signal['signal_id']} was said twice")
        signals.add(signal["signal_id"])
    return said


def check_caps(evidence: Evidence, findings: Findings) -> None:
    """After every event, what a layer has paid out in a person's year lies between nothing and its highest cap.

    The highest of the rows that the person has been in: who was in a row without one has none.
    """
    paid: dict[tuple[str, str, int, str], int] = defaultdict(int)
    caps: dict[tuple[str, str, int, str], int] = {}
    touched: set[tuple[str, str, int, str]] = set()
    cause: Any = None
    for payout in [*(json.loads(record.value) for record in evidence.topics[PAYOUTS]), None]:
        if payout is None or (payout["psn_no"], payout["cause"]) != cause:
            for account in touched:
                if not 0 <= paid[account] <= caps.get(account, paid[account]):
                    where = "/".join(map(str, account))
                    findings.wrong(evidence.partition, f"{where}: {paid[account]} fen paid, cap {caps.get(account)}")
            findings.count("caps checked", len(touched))
            touched.clear()
        if payout is None:
            return
        cause = payout["psn_no"], payout["cause"]
        for line in payout["lines"]:
            account = payout["psn_no"], payout["pack"]["region"], payout["year"], line["layer"]
            if "who" in line:
                caps[account] = max(caps.get(account, 0), NO_CAP if line["cap"] is None else fen(line["cap"]))
            if line["payable"]:
                paid[account] += fen(line["delta"])
                touched.add(account)


def compare_with_journal(journal: Journal, said: dict[str, Said], evidence: Evidence, findings: Findings) -> None:
    """Every entry of a ledger has its payouts and none has another; amounts agree layer by layer and payee by payee."""
    unmatched = set(said)
    for name, value in journal.fields.items():
        if not name.startswith(b"e|"):
            continue
        entry = json.loads(value)
        fact = entry["fact"]
        about = fact["setl_id"] if fact["type"] == "settled" else f"application:{fact['application_id']}"
        about = f"{fact['psn_no']}:{about}"
        findings.count("entries equal to their payouts")
        if about not in said:
            findings.wrong(evidence.partition, f"{name.decode()} was never paid")
            continue
        unmatched.discard(about)
        _compare(about, entry, said[about], evidence.partition, findings)
    for about in sorted(unmatched):
        findings.wrong(evidence.partition, f"{about} was paid and stands in no ledger")


def _compare(about: str, entry: Message, history: Said, partition: int, findings: Findings) -> None:
    if entry.get("revision", 1) != len(history.payouts):
        findings.wrong(partition, f"{about} has revision {entry.get('revision', 1)}, {len(history.payouts)} were said")
    to_institution, to_person = history.by_layer("delta", "fixmedins"), history.by_layer("delta", "person")
    latest = history.latest()
    if not entry.get("live", True):
        if any([*latest.values(), *to_institution.values(), *to_person.values()]):
            findings.wrong(partition, f"{about} was taken back and money is still out")
        return
    for layer, _, paid, institution, person in entry["shares"]:
        if (paid, institution, person) != (latest.get(layer), to_institution[layer], to_person[layer]):
            findings.wrong(partition, f"{about}: {layer} is {paid} fen in the journal, {latest.get(layer)} in payouts")
