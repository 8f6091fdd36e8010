"""A year read from a running system is the year of the same events in a file, however far the store has come."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest
from redis.asyncio import Redis

from contracts.topics import PERSONS
from tests.desk.year_events import PACKS, PERSON, TAIYUAN, bill, carried, encoded, reversal
from tests.settlement.rig import Books, P, Rig, rig
from workers.desk.live import LiveSource, live_source
from workers.desk.person_year import person_years
from workers.desk.source import FileSource, SourceUnfit
from workers.desk.statement import years_as_of
from workers.desk.year_sheet import year_sheet
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

HOME: Final = partition_of(PERSON.encode(), P)
BEGUN: Final = carried("2021-01-02T00:00:00+08:00", assistance_inpatient=("20000.00", "14000.00"))
FIRST: Final = [
    bill("S1", "2021-03-02", policy=32_000, catalogue=4_000),
    bill("S2", "2021-09-10", policy=32_000, catalogue=4_000),
    bill("S3", "2021-05-05", policy=30_000, region=TAIYUAN),
]
LATER: Final = [reversal("S1", "2021-10-01"), bill("S4", "2021-10-02", policy=5_000)]


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig() as servers:
        yield servers


async def sheet_of(source: FileSource | LiveSource) -> Any:
    return year_sheet(source.books, PERSON, 2021, await person_years(source, PERSON, 2021), "2021-12-31")


async def harvested(servers: Rig, payouts: int) -> None:
    """Waits until so many payouts were committed."""
    wanted = Books(times=Counter({str(number): 1 for number in range(payouts)}))
    assert len((await servers.harvest(wanted)).payouts) == payouts


async def test_a_live_year_is_the_year_of_its_events_also_where_the_store_is_behind_or_empty(servers: Rig):
    key = f"yidan:{{{HOME}}}"
    redis = Redis.from_url(servers.stack.redis)
    worker = await servers.start()
    await servers.send(encoded([BEGUN]), topic=PERSONS)
    await worker.settles(1)
    await servers.send(encoded(FIRST))
    await worker.settles(4)
    await harvested(servers, 3)
    behind = cast("dict[Any, Any]", await redis.hgetall(key))
    async with live_source(servers.settings(), PACKS) as source:
        assert await sheet_of(source) == await sheet_of(FileSource(PACKS, encoded([BEGUN, *FIRST])))
        _, begun = await years_as_of(source, PERSON, 2021)

    await servers.send(encoded(LATER))
    await worker.settles(6)
    await harvested(servers, 6)  # the reversal, what it moves in S2, and S4
    assert await worker.terminate() == 0
    wanted = await sheet_of(FileSource(PACKS, encoded([BEGUN, *FIRST, *LATER])))
    async with live_source(servers.settings(), PACKS) as source:
        assert await sheet_of(source) == wanted
        _, ended = await years_as_of(source, PERSON, 2021)
    assert begun is not None
    assert ended is not None
    assert ended.header.seq > begun.header.seq
    assert ended.offset > begun.offset

    # The store as it was some batches ago: the journal's end is laid over it, and the statement says the same batch.
    await redis.delete(key)
    await redis.hset(key, mapping=behind)
    async with live_source(servers.settings(), PACKS) as source:
        assert await sheet_of(source) == wanted
        assert (await years_as_of(source, PERSON, 2021))[1] == ended

    # A store that forgot is no store to read from.
    await redis.hdel(key, f"y|{PERSON}|331000|2021")
    async with live_source(servers.settings(), PACKS) as source:
        with pytest.raises(SourceUnfit, match="the store lacks fields; a worker that owns it rebuilds it"):
            await person_years(source, PERSON, 2021)
    await redis.flushall()
    async with live_source(servers.settings(), PACKS) as source:
        with pytest.raises(SourceUnfit, match="the store holds nothing of it; a worker"):
            await person_years(source, PERSON, 2021)
    await redis.aclose()
