"""Nothing about a person in any log, metric or error: what every process says, looked through for each of them."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from contracts.topics import APPLICATIONS, CLEARING_PAYMENTS, DISCHARGES, PAYOUTS, PERSONS, RECONCILIATIONS
from tests.settlement.rig import P, Process, Rig, rig
from workers.rehearsal.broken import encoded, whole
from workers.rehearsal.county import county, partition_key
from workers.rehearsal.stack import start_store
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

IDENTIFIERS = ("psn_no", "setl_id", "mdtrt_id", "msgid", "omsgid", "application_id", "account_token")
SHORTEST = 6
"""A word of fewer letters may stand in a log by chance."""

IN_JINGNING = {"insuplc_admdvs": "331127", "begndate": "2022-03-01", "enddate": "2022-03-09"}

CARD = "11010519491231002X"
"""The example of GB 11643: nobody's, with a check digit that is right."""


def secrets_of(events: Iterable[bytes]) -> set[str]:
    """Every identifier and card number that stands in these bytes, whether or not they are an event."""
    found: set[str] = set()
    for event in events:
        text = event.decode("utf-8", "replace")
        for name in IDENTIFIERS:
            found.update(re.findall(rf'"{name}"\s*:\s*"([^"]+)"', text))
        found.update(re.findall(r"[0-9]{17}[0-9Xx]", text))
    return {word for word in found if len(word) >= SHORTEST}


def further_events() -> Iterator[tuple[str, bytes]]:
    """What a county does not send by itself: identities, balances, applications, and card numbers everywhere."""
    person = whole(77)
    psn_no = person["psn_no"]
    time = "2021-05-02T10:15:00+08:00"
    periods = [{"psn_idet_type": "2303", "begntime": "2021-01-01", "endtime": None}]
    identity = {"type": "identity_changed", "psn_no": psn_no, "psn_idet": periods, "known_at": time}
    decided = {
        "type": "application_decided",
        "application_id": "A2023-000077",
        "psn_no": psn_no,
        "insuplc_admdvs": "331127",
        "year": 2022,
        "applicant": "困难人员",
        "resident": True,
        "other_assistance": "0.00",
        "applied_on": "2023-03-01",
        "objections": False,
        "approved": True,
        "known_at": "2023-03-20T17:00:00+08:00",
        "account_token": "T-5f2c9e000077",
    }
    yield PERSONS, encoded(identity)
    yield DISCHARGES, encoded(person)
    yield DISCHARGES, encoded({**person, "setl_id": "S2022-X0000078", "msgid": "M-X0000078", **IN_JINGNING})
    yield APPLICATIONS, encoded(decided)
    for number, name in enumerate(("psn_no", "setl_id", "mdtrt_id", "msgid", "fixmedins_code"), start=80):
        yield DISCHARGES, encoded({**whole(number), name: CARD})
    yield PERSONS, encoded({**identity, "psn_idet": [{"psn_idet_type": CARD}]})
    yield APPLICATIONS, encoded({**decided, "account_token": CARD})
    yield APPLICATIONS, encoded({**decided, "year": psn_no})
    yield PERSONS, encoded(whole(91))  # on another topic than its own
    yield DISCHARGES, encoded({**whole(92), psn_no: psn_no, "medfee_sumamt": psn_no})[:-3]


class Heard:
    """Everything that was said by anybody, with who it was."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def take(self, who: str, text: str) -> None:
        self.said += [(who, line) for line in text.splitlines()]

    def about(self, secrets: set[str]) -> list[str]:
        """Lines in which one of these stands."""
        anyone = re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))
        return [f"{who}: {line[:400]}" for who, line in self.said if anyone.search(line)]


async def test_no_process_says_anything_about_a_person_whatever_goes_wrong(tmp_path: Path):
    events = [*county(settlements=150, persons=12, seed=3)]
    further = [*further_events()]
    secrets = secrets_of([*events, *(event for _, event in further)]) | {CARD}
    assert len(secrets) > 300
    heard = Heard()
    async with rig(log_level="debug", backoff_max_s=0.5, redis_timeout_s=1.0) as there:
        worker = await there.start()
        views = await there.start("operate")
        await worker.owns(P)
        await there.send(events)
        for topic, event in further:
            await there.send([event], topic=topic)
        await misplaced(there, whole(95))
        await worker.settles(150)
        await listened(heard, worker, views)

        bill = further[1][1]
        psn_no, setl_id = json.loads(bill)["psn_no"], json.loads(bill)["setl_id"]
        await commands(there, heard, psn_no, setl_id)
        await there.yidan("reverse", setl_id, "--psn-no", psn_no)

        await spoil_the_store(there, psn_no)
        await there.send([encoded({**whole(77), "setl_id": "S2021-X9000077", "msgid": "M-9000077"})])
        await worker.until(lambda: worker.said("partition stopped"), "a core that fails twice")
        await nonsense_for_the_views(there, bill)
        await views.wait()
        await listened(heard, worker)

        await there.stack.store.pause()
        await there.send(events[:40])
        await asyncio.sleep(3.0)
        await there.stack.store.resume()
        await listened(heard, worker)
        await another_store_that_renames_a_command(there, heard, tmp_path / "renamed.conf")

        await there.stack.store.kill()
        await there.send(events[40:80])
        await commands(there, heard, psn_no, setl_id)
        await there.stack.broker.kill()
        await commands(there, heard, psn_no, setl_id, kafka_request_timeout_s=1.0)
        await worker.kill()  # unless it has given the broker up by itself
        for process in there.processes:
            heard.take(" ".join(process.command), "".join(process.lines))
    secrets |= {"S2021-X9000077", "M-9000077", "P330000000001"}
    assert len(heard.said) > 300
    assert not heard.about(secrets)


async def listened(heard: Heard, *processes: Process) -> None:
    """What a supervisor and Prometheus are told."""
    for process in processes:
        for path in ("/metrics", "/healthz", "/readyz"):
            heard.take(f"{' '.join(process.command)} {path}", (await process.get(path))[1])


async def commands(there: Rig, heard: Heard, psn_no: str, setl_id: str, **changes: Any) -> None:
    """Every command that speaks to the servers; what it was asked for on standard output is its own affair."""

    async def say(*words: str) -> None:
        ended = await there.yidan(*words, **changes)
        assert ended.code != 2, (words, ended.err)
        assert "Traceback" not in ended.err, (words, ended.err[-2_000:])
        heard.take(" ".join(words[:2]), ended.err)

    asking = (
        ("year", psn_no, "2021"),
        ("year", "P330000999999", "2021"),
        ("pending", "2021"),
        ("audit",),
        ("audit", psn_no, "2021", "--order"),
        ("reverse", setl_id, "--psn-no", psn_no, "--preview"),
        ("reverse", "S2021-X0000404", "--psn-no", psn_no, "--preview"),
        ("packs", "adopt", "331000", "--from", "2021-01-01", "--preview"),
        ("quarantine", "list", "--all"),
        ("topics", "check"),
    )
    await asyncio.gather(*(say(*words) for words in asking))  # they wait for servers that are away, so all at once
    for words in (("quarantine", "replay", "--all", "--yes"), ("rebuild",)):
        await say(*words)


async def misplaced(there: Rig, event: dict[str, Any]) -> None:
    """An event in another partition than its person's, and one under another key."""
    value = encoded(event)
    key = partition_key(value) or b""
    producer = AIOKafkaProducer(bootstrap_servers=there.stack.kafka)
    await producer.start()
    await producer.send_and_wait(DISCHARGES, value, key=key, partition=(partition_of(key, P) + 1) % P)
    await producer.send_and_wait(DISCHARGES, value, key=b"P330000000404", partition=0)
    await producer.stop()


async def spoil_the_store(there: Rig, psn_no: str) -> None:
    """A year that no longer is one: reading it raises, and the exception quotes what it choked on."""
    async with Redis.from_url(there.stack.redis, decode_responses=True) as store:
        key = f"yidan:{{{partition_of(psn_no.encode(), P)}}}"
        names = [name for name in map(str, await store.hkeys(key)) if name.startswith(f"y|{psn_no}|")]
        assert names
        for name in names:
            await store.hset(key, name, json.dumps({"entries": psn_no}))


async def nonsense_for_the_views(there: Rig, event: bytes) -> None:
    """A request that is none, a payment that is none, and a payout that cannot be read."""
    producer = AIOKafkaProducer(bootstrap_servers=there.stack.kafka)
    await producer.start()
    await producer.send_and_wait(RECONCILIATIONS, event, key=b"H1", partition=0)
    await producer.send_and_wait(RECONCILIATIONS, event[:-4], key=b"H1", partition=1)
    for partition, value in enumerate((event, event[:-4])):
        await producer.send_and_wait(CLEARING_PAYMENTS, value, key=b"H1", partition=partition)
    headers = [("ce_time", b"2021-05-02T10:15:00+08:00")]
    await producer.send_and_wait(PAYOUTS, event, key=b"x", partition=0, headers=headers)
    await producer.stop()


async def another_store_that_renames_a_command(there: Rig, heard: Heard, file: Path) -> None:
    """Its refusal quotes what it was sent, which names persons."""
    file.write_text("rename-command HMGET hmget-of-ours\n")
    async with await start_store(options={"include": str(file)}) as store:
        changes = {"redis_url": f"redis://{store.address}/0"}
        ended = await there.yidan("year", "P330000000001", "2021", **changes)
        heard.take("year", ended.err)
        assert ended.code == 69


def test_what_is_looked_for_would_be_found():
    heard = Heard()
    heard.take("worker", '{"event":"settled","detail":"P330000000001"}')
    (line,) = heard.about(secrets_of([b'{"psn_no":"P330000000001"}']))
    assert line.startswith("worker: ")
    assert secrets_of([b'{"psn_no": "P1", "x": "11010519491231002X"']) == {CARD}
