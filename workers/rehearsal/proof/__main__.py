"""`make proof`: brings the servers up, hurts them under load, audits, prints the table. 0 only if nothing is wrong."""

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from workers.exits import Exit
from workers.rehearsal.proof.auditor import audit
from workers.rehearsal.proof.campaign import campaign
from workers.rehearsal.proof.plan import MINUTES_DEFAULT, Plan
from workers.rehearsal.proof.report import Progress, print_report, unmet
from workers.rehearsal.proof.servers import servers
from workers.rehearsal.server import RehearsalFailed


def main() -> None:
    """Run a proof; its exit code."""
    parser = argparse.ArgumentParser(prog="proof", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES_DEFAULT, help="of the campaign, without the audit")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of input and timetable")
    given = parser.parse_args()
    if given.minutes <= 0:
        parser.error("--minutes: more than nothing")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # that the broker is away is what is wanted
    with Progress() as progress:
        sys.exit(asyncio.run(_proof(Plan(seed=given.seed, minutes=given.minutes), progress)))


async def _proof(plan: Plan, progress: Progress) -> Exit:
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="yidan-proof-"))
    kept = False
    this = asyncio.current_task()
    if this is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    progress.say(f"seed {plan.seed}, {plan.minutes:g} minutes and the audit; everything is in {folder} meanwhile")
    try:
        async with servers(folder, workers=plan.workers, partitions=plan.partitions) as hurt:
            outcome = await campaign(plan, hurt, progress.tell)
            counts, wrong = await asyncio.to_thread(
                audit,
                hurt.broker.address,
                hurt.redis_url,
                plan.partitions,
                lambda done: progress.say(f"partition {done} of {plan.partitions} audited"),
            )
        violations = [*outcome.violations, *wrong]
        print_report(plan, outcome, counts, violations, time.monotonic() - began)
        kept = bool(violations)
        if kept:
            progress.say(f"topics, Redis and the workers' logs are kept in {folder}")
        return Exit.CHECK_FAILED if violations or unmet(outcome) else Exit.OK
    except RehearsalFailed as failure:
        progress.say(f"proof: {failure}")
        return Exit.UNAVAILABLE
    except ExceptionGroup as group:
        failures = group.subgroup(RehearsalFailed)
        if failures is None:
            raise
        progress.say(f"proof: {failures.exceptions[0]}")
        return Exit.UNAVAILABLE
    except asyncio.CancelledError:
        progress.say("ended before its time; nothing is proved")
        return Exit.INTERRUPTED
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
