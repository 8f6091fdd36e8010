"""The commands that speak to a broker: work, topics, generate --to-kafka."""

import asyncio
from collections.abc import Iterable

import typer

from contracts.topics import DISCHARGES
from workers.exits import Exit
from workers.settings import Settings, settings_or_exit


def work_until_told() -> Exit:
    """Run the settlement worker until SIGTERM; its exit code."""
    from workers.worker import work

    return Exit(asyncio.run(work(settings_or_exit())))


def apply() -> Exit:
    """Create the topics that are missing, and say which."""
    from workers.kafka.topics import apply_topics

    for line in asyncio.run(apply_topics(settings_or_exit())):
        typer.echo(line)
    return Exit.OK


def check() -> Exit:
    """Say what about the topics differs from what the promises need."""
    from workers.kafka.topics import check_topics

    faults = asyncio.run(check_topics(settings_or_exit()))
    for fault in faults:
        typer.echo(fault, err=True)
    return Exit.CHECK_FAILED if faults else Exit.OK


def feed(events: Iterable[bytes]) -> Exit:
    """Send events to the discharges topic, each to its person's partition."""
    sent = asyncio.run(_feed(settings_or_exit(), events))
    typer.echo(f"{sent} events sent to {DISCHARGES}", err=True)
    return Exit.OK


async def _feed(settings: Settings, events: Iterable[bytes]) -> int:
    from workers.kafka.outside import paced, send
    from workers.rehearsal.county import partition_key
    from workers.settlement.validate import partition_of

    return await send(settings, DISCHARGES, paced(events, partition_key, None), partition_of)
