"""The commands of a desk: they read a person's state, or try an event against it, and send only when told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.pack import PackSet
from workers.desk.source import FileSource, Source, SourceUnfit
from workers.exits import Exit
from workers.offline_commands import complain, packs_in_use
from workers.settings import Settings, settings_or_exit


class Answered(Exception):
    """A command has said all that it has to say; how it ends."""

    def __init__(self, exit_code: Exit, text: str) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def asking(
    job: Callable[[Source], Awaitable[Exit]],
    *,
    events: Path | None,
    packs: Path | None,
    settled_under: Path | None = None,
) -> Exit:
    """Do a job with the state of a running system, or with what a file of events comes to.

    `settled_under` are the packs that the events of the file were settled under, where they are not those in use. What
    cannot be reached or read is said in a line, not in a traceback.
    """

    async def asked() -> Exit:
        async with _opened(events, packs, settled_under) as source:
            return await job(source)

    try:
        return asyncio.run(asked())
    except Answered as answer:
        complain(str(answer))
        return answer.exit_code
    except SourceUnfit as unfit:
        complain(str(unfit))
        return Exit.UNAVAILABLE


@asynccontextmanager
async def _opened(events: Path | None, packs: Path | None, settled_under: Path | None) -> AsyncIterator[Source]:
    settings: Settings | None = None if events is not None else settings_or_exit()
    in_use = packs_in_use(packs or (settings.packs_dir if settings else None))
    before = None if settled_under is None else packs_in_use(settled_under)
    if in_use is None or (before is None and settled_under is not None):
        raise Answered(Exit.CONFIGURATION, "mend the packs first")
    if settings is None and events is not None:
        try:
            source = FileSource.of(events, in_use, settled_under=before)
        except OSError as error:
            raise Answered(Exit.USAGE, f"{events}: cannot be read: {error.strerror}") from error
        if source.refused:
            complain(f"{events}: {source.refused} events are refused and change nothing; `yidan settle` names them")
        yield source
    elif settings is not None:
        async with _running(settings, in_use) as live:
            yield live


@asynccontextmanager
async def _running(settings: Settings, packs: PackSet) -> AsyncIterator[Source]:
    """The state of a running system. Its clients are imported here: who asks a file does not wait for them."""
    from workers.desk.live import live_source
    from workers.kafka.connection import UNREACHABLE
    from workers.settlement.keeper import StoreUnavailable

    try:
        async with live_source(settings, packs) as live:
            yield live
    except StoreUnavailable as fault:
        raise Answered(Exit.UNAVAILABLE, f"YIDAN_REDIS_URL: the store does not answer: {fault}") from fault
    except UNREACHABLE as fault:
        raise Answered(Exit.UNAVAILABLE, f"YIDAN_KAFKA_BOOTSTRAP: the broker does not answer: {fault}") from fault
