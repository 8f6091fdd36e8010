"""A year read from a running system is the year of the same events in a file, however far the store has come."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

import pytest
from redis.asyncio import Redis

from contracts.statement import READ_STATEMENT
from contracts.topics import PERSONS
from tests.desk.year_events import PACKS, PERSON, TAIYUAN, bill, carried, encoded, reversal
from tests.settlement.rig import Books, P, Rig, rig
from workers.desk.live import LiveSource, live_source
from workers.desk.person_year import person_years
from workers.desk.source import FileSource, SourceUnfit
from workers.desk.statement import years_as_of
from workers.desk.year_sheet import year_sheet
from workers.settings import PREFIX
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


def yidan(servers: Rig, folder: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    """A command with the settings of the workers."""
    settings = {
        "YIDAN_KAFKA_BOOTSTRAP": servers.stack.kafka,
        "YIDAN_REDIS_URL": servers.stack.redis,
        "YIDAN_PARTITIONS": str(P),
        "YIDAN_JOURNAL_FROM_START": str(servers.embedded),
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    keys = {"YIDAN_STATEMENT_KEY_FILE": "office", "YIDAN_STATEMENT_TRUSTED_DIR": "."}
    return subprocess.run(
        [sys.executable, "-m", "workers", *words],
        capture_output=True,
        timeout=120,
        check=False,
        cwd=folder,
        env={**environment, **settings, **keys, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


async def test_a_statement_of_a_live_year_is_sent_and_settled_by_a_worker(servers: Rig, tmp_path: Path):
    (tmp_path / "office").touch()
    assert yidan(servers, tmp_path, "statement-key", "new", "office").returncode == 2, "there is a file already"
    (tmp_path / "office").unlink()
    assert yidan(servers, tmp_path, "statement-key", "new", "office").returncode == 0
    worker = await servers.start()
    await servers.send(encoded(FIRST))
    await worker.settles(3)
    out = ("year", PERSON, "2021", "--export", "statement", "--region", "331000")
    assert yidan(servers, tmp_path, *out).returncode == 0
    as_of = READ_STATEMENT.validate_json((tmp_path / "statement").read_bytes())["as_of"]
    assert as_of is not None
    assert as_of["partition"] == HOME

    into = ("carry-in", "statement", "--psn-no", "P7", "--insuplc-admdvs", "331002")
    tried = yidan(servers, tmp_path, *into, "--dry-run")
    assert tried.returncode == 0
    assert "48,500.00" in tried.stdout.decode()
    assert b"sent" not in tried.stderr
    sent = yidan(servers, tmp_path, *into)
    assert (sent.returncode, sent.stdout) == (0, tried.stdout), sent.stderr
    assert f"sent to {PERSONS}".encode() in sent.stderr
    await worker.settles(4)
    async with live_source(servers.settings(), PACKS) as source:
        (year,) = await person_years(source, "P7", 2021)
    assert year.year.accounts["assistance_inpatient"][:2] == (6_800_000, 4_850_000)
    again = yidan(servers, tmp_path, *into)
    assert again.returncode == 0
    assert b"carried in before" in again.stderr
    assert await worker.terminate() == 0
