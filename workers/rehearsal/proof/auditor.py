"""The auditor: reads inputs and committed outputs, and says everything that is wrong. No code of the pipeline is here.

It imports neither `workers.settlement` nor `workers.adjudication` nor `workers.kafka`, and a test holds it to that:
what it shares with them are the names of topics, the packs, and the second model that the rehearsal has anyway.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Final

from contracts.pack_file import load_directory
from workers.rehearsal.proof.journal import Journal, compare_with_redis, read_journal
from workers.rehearsal.proof.payouts import check_caps, compare_with_journal, read_payouts
from workers.rehearsal.proof.records import Evidence, Findings, gather_evidence
from workers.rehearsal.proof.second_model import compare_with_the_model

PROCESSES: Final = 2


def audit_books(evidence: Evidence) -> tuple[Journal, Findings]:
    """What one partition's topics and Redis say of each other, without asking whether the amounts are right."""
    findings = Findings()
    journal = read_journal(evidence, findings)
    said = read_payouts(evidence, findings)
    check_caps(evidence, findings)
    compare_with_journal(journal, said, evidence, findings)
    compare_with_redis(journal, evidence, findings)
    return journal, findings


def audit_evidence(evidence: Evidence) -> Findings:
    """Everything that can be found in one partition."""
    journal, findings = audit_books(evidence)
    compare_with_the_model(journal, evidence, load_directory(), findings)
    return findings


def audit_partition(bootstrap: str, redis_url: str, partition: int) -> Findings:
    """Reads one partition and audits it; what cannot be audited is a violation too."""
    try:
        return audit_evidence(asyncio.run(gather_evidence(bootstrap, redis_url, partition)))
    except Exception as fault:  # noqa: BLE001 - an auditor that breaks down has not found that all is well
        findings = Findings()
        findings.wrong(partition, f"cannot be audited: {type(fault).__name__}: {fault}")
        return findings


def audit(
    bootstrap: str, redis_url: str, partitions: int, tell: Callable[[int], None]
) -> tuple[Counter[str], list[str]]:
    """All partitions, a few at once in processes of their own; counts and violations. Blocks."""
    counts: Counter[str] = Counter()
    violations: list[str] = []
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(audit_partition, bootstrap, redis_url, number) for number in range(partitions)]
        for done, future in enumerate(as_completed(waiting), start=1):
            findings = future.result()
            counts.update(findings.counts)
            violations += findings.violations
            tell(done)
    return counts, violations
