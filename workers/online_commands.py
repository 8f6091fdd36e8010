"""The commands that speak to a broker: work, topics, generate --to-kafka."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

import typer

from contracts.topics import DISCHARGES
from workers.exits import Exit
from workers.settings import Settings, settings_or_exit

T = TypeVar("T")


def work_until_told() -> Exit:
    """Run the settlement worker until SIGTERM; its exit code."""
    from workers.worker import collect_seldom, work

    collect_seldom()
    return Exit(asyncio.run(work(settings_or_exit())))


def show_settings() -> Exit:
    """Print the settings in force, one a line in the form of `.env`; secrets are masked."""
    for name, value in settings_or_exit().shown().items():
        written = str(value).lower() if isinstance(value, bool) else "" if value is None else value
        typer.echo(f"{name}={written}")
    return Exit.OK


def operate_until_told(*, rebuild: bool) -> Exit:
    """Run the derived views until SIGTERM; the exit code."""
    from workers.operations.operate import operate

    return asyncio.run(operate(settings_or_exit(), rebuild=rebuild))


def apply() -> Exit:
    """Create the topics that are missing, and say which."""
    from workers.kafka.topics import apply_topics

    return _reaching_the_broker(apply_topics, _say_all)


def check() -> Exit:
    """Say what about the topics differs from what the promises need."""
    from workers.kafka.topics import check_topics

    return _reaching_the_broker(check_topics, _complain_of_all)


def feed(events: Iterable[bytes]) -> Exit:
    """Send events to the discharges topic, each to its person's partition."""

    async def fed(settings: Settings) -> int:
        from workers.kafka.outside import paced, send
        from workers.rehearsal.county import partition_key
        from workers.settlement.validate import partition_of

        return await send(settings, DISCHARGES, paced(events, partition_key, None), partition_of)

    def said(sent: int) -> Exit:
        typer.echo(f"{sent} events sent to {DISCHARGES}", err=True)
        return Exit.OK

    return _reaching_the_broker(fed, said)


def _reaching_the_broker(job: Callable[[Settings], Coroutine[Any, Any, T]], ended: Callable[[T], Exit]) -> Exit:
    """Do a job with the broker; one that cannot be reached is said in a line, not in a traceback."""
    from workers.kafka.connection import UNREACHABLE

    settings = settings_or_exit()
    try:
        return ended(asyncio.run(job(settings)))
    except UNREACHABLE as error:
        typer.echo(f"YIDAN_KAFKA_BOOTSTRAP: {settings.kafka_bootstrap} cannot be used: {error}", err=True)
        return Exit.UNAVAILABLE


def _say_all(lines: list[str]) -> Exit:
    for line in lines:
        typer.echo(line)
    return Exit.OK


def _complain_of_all(faults: list[str]) -> Exit:
    for fault in faults:
        typer.echo(fault, err=True)
    return Exit.CHECK_FAILED if faults else Exit.OK
