"""Everything at once, for as long as one likes: YIDAN_TEST_CHAOS_SECONDS=300 pytest -s tests/settlement/test_chaos.py

Three workers are killed and put to sleep while the store is flushed, robbed, killed and put back. On the embedded
broker ownership overlaps on purpose, dealt by hand; with YIDAN_TEST_BROKER=apache the group deals it.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.settlement.rig import P, Process, Rig, rig, same, settled_at_once, some_county

SECONDS = float(os.environ.get("YIDAN_TEST_CHAOS_SECONDS", "25"))
SEED = int(os.environ.get("YIDAN_TEST_SEED", "1"))
PER_SECOND = 120
HARMS = ("kill", "kill", "kill", "terminate", "sleep", "sleep", "flush", "rob", "store dies", "put back")

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(SECONDS * 4 + 300)]


class Chaos:
    """Does one harm after another."""

    def __init__(self, servers: Rig) -> None:
        self.servers = servers
        self.chance = random.Random(SEED)
        self.workers: list[Process] = []
        self.done: Counter[str] = Counter()
        self.naps: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self.workers = [await self.servers.start(**self._share()) for _ in range(3)]

    def _share(self) -> dict[str, Any]:
        """On the embedded broker: some of the partitions, so that two workers often believe they own the same."""
        return self.servers.share(*sorted(self.chance.sample(range(P), self.chance.randint(1, P))))

    async def harm(self) -> None:
        what = self.chance.choice(HARMS)
        self.done[what] += 1
        index = self.chance.randrange(len(self.workers))
        match what:
            case "kill":
                await self.workers[index].kill()
                self.workers[index] = await self.servers.start(**self._share())
            case "terminate":
                await self.workers[index].terminate()
                self.workers[index] = await self.servers.start(**self._share())
            case "sleep":
                nap = asyncio.create_task(self._nap(self.workers[index], self.chance.uniform(1, 12)))
                self.naps.add(nap)
                nap.add_done_callback(self.naps.discard)
            case "store dies":
                await self.servers.stack.store.kill()
                await asyncio.sleep(self.chance.uniform(0, 2))
                await self.servers.stack.store.restart()
            case _:
                try:
                    await self._hurt_store(what)
                except RedisError:
                    self.done[what] -= 1

    @staticmethod
    async def _nap(worker: Process, seconds: float) -> None:
        try:
            worker.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            worker.signal(signal.SIGCONT)
        except ProcessLookupError:
            return

    async def _hurt_store(self, what: str) -> None:
        async with Redis.from_url(self.servers.stack.redis) as redis:
            key = f"yidan:{{{self.chance.randrange(P)}}}"
            match what:
                case "flush":
                    await redis.flushall()
                case "rob":
                    names = sorted(
                        name for name in await redis.hkeys(key) if name[:1] in (b"p", b"y", b"e", b"s", b"m")
                    )
                    if names:
                        await redis.hdel(key, self.chance.choice(names))
                case "put back":
                    old: dict[Any, Any] = await redis.hgetall(key)
                    await asyncio.sleep(self.chance.uniform(0.1, 2))
                    async with redis.pipeline(transaction=True) as pipeline:
                        pipeline.delete(key)
                        if old:
                            pipeline.hset(key, mapping=old)
                        await pipeline.execute()


async def test_nothing_is_lost_or_said_twice_whatever_happens_to_real_servers():
    events = some_county(int(SECONDS * PER_SECOND), persons=150, seed=SEED)
    wanted = settled_at_once(events)
    async with rig(backoff_max_s=1.0, redis_timeout_s=1.5) as servers:
        chaos = Chaos(servers)
        await chaos.start()
        sending = asyncio.create_task(servers.send(events, per_second=PER_SECOND))
        while not sending.done():
            await asyncio.sleep(chaos.chance.uniform(0.2, 2.0))
            await chaos.harm()
        await sending
        if chaos.naps:
            await asyncio.wait(chaos.naps)
        for worker in chaos.workers:
            await worker.terminate()
        last = await servers.start()
        await last.owns(P)
        same(await servers.harvest(wanted, seconds=180), wanted)
        everybody = "".join(line for process in servers.processes for line in process.lines)
        said = ("partition taken over", "partition let go of", "store repaired", "ports.Fenced", '"rebuilt":true')
        print(
            f"{len(events)} events, seed {SEED}, {wanted.paid_fen() / 100:,.2f} yuan in {len(wanted.payouts)} payouts"
        )
        print(dict(chaos.done), {what: everybody.count(what) for what in said})
        assert not [line for process in servers.processes for line in process.said("partition stopped")]
        assert await last.terminate() == 0
