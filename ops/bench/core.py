"""The core alone: one bill decided and explained, beside a rules engine and beside the auditor of the whole year.

Taiyuan's bills, read and validated beforehand, so that nobody's JSON is in it. The core decides every layer of the pack
and writes the whole payout with clauses and readings; `zen-engine` (Rust) evaluates one layer of it from its own model
and explains nothing. Both must say the same for every bill, to the fen, or there is no figure.

    .venv/bin/python ops/bench/core.py --bills 3000    this alone; `make bench` has it in its run
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
from peers.zen_model import LAYER, context_of, model_of

from contracts.discharge import Settled
from contracts.journal import Account, Person
from contracts.pack_file import load_directory, load_pack
from contracts.vocabulary import Kind
from workers.adjudication.adjudicate import Adjudication, adjudicate
from workers.adjudication.books import Books
from workers.adjudication.ledger import codes_that_count
from workers.adjudication.payout import settlement_payout
from workers.adjudication.refuse import RefusedError
from workers.rehearsal.auditor import audit
from workers.rehearsal.county import county
from workers.settlement.decode import decode

TAIYUAN: Final = "140100"
NOBODY_HELD: Final = Person()
AUDITED: Final = 25
"""Settlements of the year that the auditor recomputes: what it costs grows with the square of them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Microseconds of processor a bill, the best of several rounds in turn, and how many bills were compared."""

    bills: int
    core: float
    core_decides: float
    zen: float | None
    zen_traced: float | None
    auditor: float


def compared(count: int, rounds: int, seed: int) -> Compared:
    """Every figure of the core, or SystemExit where two answers differ. `zen` is None where it is not installed."""
    books = Books(load_directory(), load_pack)
    bills = _bills(count, seed)
    pack = books.pack_for(TAIYUAN)
    planner = books.planner(pack)
    accounts: dict[tuple[str, int], Any] = {}
    cases: list[tuple[Settled, tuple[str, ...], Any]] = []
    answers: list[Adjudication] = []
    contexts: list[dict[str, Any]] = []
    for bill in bills:
        ledger = bill.psn_no, bill.year
        before = accounts.get(ledger, {})
        codes = codes_that_count(NOBODY_HELD, bill)
        try:
            answer = adjudicate(bill, codes, planner.plan(bill), before)
        except RefusedError:
            continue
        cases.append((bill, codes, before))
        answers.append(answer)
        contexts.append(context_of(bill, codes, before.get(LAYER, Account())))
        accounts[ledger] = answer.accounts

    def decides() -> None:
        for bill, codes, before in cases:
            adjudicate(bill, codes, planner.plan(bill), before)

    def explains() -> None:
        for bill, codes, before in cases:
            answer = adjudicate(bill, codes, planner.plan(bill), before)
            cause: Any = {"type": "settled", "msgid": bill.msgid}
            settlement_payout(bill, pack, answer, kind=Kind.SETTLEMENT, revision=1, cause=cause)

    jobs: dict[str, Callable[[], None]] = {"explains": explains, "decides": decides}
    try:
        import zen
    except ModuleNotFoundError:
        pass
    else:
        decision = zen.ZenEngine().create_decision(model_of(pack, bills[0]))
        _same(decision, contexts, answers)
        jobs["zen"] = lambda: [decision.evaluate(context) for context in contexts] and None
        jobs["traced"] = lambda: [decision.evaluate(context, {"trace": True}) for context in contexts] and None
    best = {name: min(times) for name, times in _in_turn(jobs, rounds).items()}
    each = {name: seconds / len(cases) * 1e6 for name, seconds in best.items()}
    return Compared(
        len(cases), each["explains"], each["decides"], each.get("zen"), each.get("traced"), _audited(cases, rounds)
    )


def _bills(count: int, seed: int) -> list[Settled]:
    """Good settlements of Taiyuan, whose persons have a year of several."""
    events = county(settlements=count, persons=max(1, count // 8), seed=seed, regions=(TAIYUAN,), broken=False)
    found: dict[str, Settled] = {}
    for value in events:
        event = decode(value)
        if isinstance(event, Settled):
            found.setdefault(event.setl_id, event)
    return list(found.values())


def _same(decision: Any, contexts: list[dict[str, Any]], answers: list[Adjudication]) -> None:
    """Every bill: the same payment, and where the layer looked, the same base and the same rest of the cap."""
    paid = 0
    for context, answer in zip(contexts, answers, strict=True):
        ours = next(line for line in answer.decisions if line.layer.id == LAYER)
        theirs = decision.evaluate(context)["result"]
        same = theirs["pays"] == ours.paid
        if ours.row is not None:
            left = None if ours.headroom is None else ours.headroom - ours.paid
            same = same and (theirs["after"], theirs.get("cap_left"), theirs["who"]) == (
                ours.before + ours.base,
                left,
                ours.row.who,
            )
        if not same:
            raise SystemExit(f"zen-engine and the core differ: {theirs} and {ours}")
        paid += ours.paid > 0
    if not paid:
        raise SystemExit("no bill of the comparison is paid anything: more settlements are wanted")


def _in_turn(jobs: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Processor seconds of each job, round after round."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            gc.collect()
            begin = time.process_time()
            job()
            times[name].append(time.process_time() - begin)
    return times


def _audited(cases: list[tuple[Settled, tuple[str, ...], Any]], rounds: int) -> float:
    """Microseconds for each settlement of a year that is recomputed whole at each of them."""
    packs = load_directory()
    bills = [bill for bill, _, _ in cases[:AUDITED]]
    events = [orjson.loads(bill.model_dump_json()) | {"psn_no": "P1"} for bill in bills]
    times = _in_turn({"auditor": lambda: bool(audit(events, packs)) and None}, rounds)["auditor"]
    return min(times) / len(events) * 1e6


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bills", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sys.stdout.write(f"{compared(asked.bills, asked.rounds, asked.seed)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
