"""Refused records on real servers: listed, shown, sent again once, and never sent without being recorded."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from contracts.pack_file import SHIPPED
from contracts.quarantine import READ_REPLAYED
from contracts.topics import DISCHARGES, INPUTS, QUARANTINE
from tests.settlement.rig import Ended, P, Rig, process_environment, rig
from workers.kafka.outside import everything_committed
from workers.kafka.quarantine import ReplayWriter
from workers.rehearsal.broken import card_number, encoded, whole
from workers.settlement.ports import Fenced
from workers.settlement.records import Outgoing, Placed
from workers.settlement.validate import partition_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CARD = card_number(Random(7))
MUTE = encoded({**whole(4), "certno": CARD, "insuplc_admdvs": "990123"})
"""A record of which the original is not kept."""


@pytest.fixture
async def servers() -> AsyncIterator[Rig]:
    async with rig(journal_stall_timeout_s=5.0) as servers:
        yield servers


@pytest.fixture
def with_pack(tmp_path: Path) -> Path:
    """Packs that cover the region that nobody has heard of, 9901xx."""
    for path in (*SHIPPED.glob("taizhou*.toml"), *SHIPPED.glob("documents/taizhou*.txt")):
        target = tmp_path / path.relative_to(SHIPPED)
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(path.read_bytes())
    pack = tmp_path / "taizhou.toml"
    pack.write_text(pack.read_text("utf-8").replace('"331000"', '"990100"'), "utf-8")
    return tmp_path


def unheard(number: int) -> dict[str, Any]:
    """A good bill from a region without a pack."""
    return {**whole(number), "insuplc_admdvs": "990123"}


def home(number: int) -> int:
    return partition_of(whole(number)["psn_no"].encode(), P)


async def produce(servers: Rig, *records: tuple[int, int, bytes]) -> list[str]:
    """Sends values as the person of a number, each to a partition; the ids that they get."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    ids = []
    for number, partition, value in records:
        key = whole(number)["psn_no"].encode()
        sent = await producer.send_and_wait(
            DISCHARGES, value, key=key, partition=partition, headers=[("trace", b"t-1")]
        )
        ids.append(f"{DISCHARGES}/{partition}/{sent.offset}")
    await producer.stop()
    return ids


async def refused(servers: Rig, *records: tuple[int, int, bytes]) -> list[str]:
    """What a worker without the pack has refused, and is gone."""
    ids = await produce(servers, *records)
    worker = await servers.start()
    await worker.settles(len(records))
    assert await worker.terminate() == 0
    return ids


async def listed(servers: Rig, *words: str) -> dict[str, dict[str, Any]]:
    done = await servers.yidan("quarantine", "list", "--json", *words)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    return {row["id"]: row for row in rows}


def outcomes(rows: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    return {name: [replay["came_of"] for replay in row["replays"]] for name, row in rows.items()}


async def ends(servers: Rig) -> dict[TopicPartition, int]:
    """How much was ever written to the inputs and to quarantine."""
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.stack.kafka)
    await consumer.start()
    found: dict[TopicPartition, int] = await consumer.end_offsets(
        [TopicPartition(topic, p) for topic in (*INPUTS, QUARANTINE) for p in range(P)]
    )
    await consumer.stop()
    return found


async def test_refused_records_are_sent_again_once_and_what_came_of_them_is_known(servers: Rig, with_pack: Path):
    strange = (home(2) + 1) % P
    no_pack, misplaced, broken, mute = await refused(
        servers,
        (1, home(1), encoded(unheard(1))),
        (2, strange, encoded(unheard(2))),
        (3, home(3), b'{"type": "settled"'),
        (4, home(4), MUTE),
    )
    rows = await listed(servers)
    assert {name: row["reason"] for name, row in rows.items()} == {
        no_pack: "no_pack_for_region",
        misplaced: "wrong_partition",
        broken: "message_is_not_json",
        mute: "no_pack_for_region",
    }
    assert [row["original_kept"] for row in rows.values()].count(False) == 1
    table = await servers.yidan("quarantine", "list", "--reason", "no_pack_for_region")
    assert misplaced not in table.out
    assert no_pack in table.out
    assert "open: 2, the oldest for 0 min" in table.err

    # The worker is gone: what waits is told apart from what was accepted.
    replayed = await servers.yidan("quarantine", "replay", "--all", "--yes", "--by", "desk-1")
    assert replayed.code == 65
    assert "3 records sent again" in replayed.err
    assert f"{mute}: cannot be sent again: it holds an identity-card number" in replayed.err
    assert [line.split(" ")[0] for line in replayed.out.splitlines()] == [n for n in rows if n != mute]
    assert set(await listed(servers)) == {mute}
    assert outcomes(await listed(servers, "--all")) == {
        **{name: ["waiting"] for name in (no_pack, misplaced, broken)},
        mute: [],
    }

    worker = await servers.start(packs_dir=with_pack)
    await worker.settles(3)
    async with asyncio.timeout(20):  # the marker of the replay's transaction is passed too: nothing is left
        while await worker.metric("yidan_lag_records"):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.2)
    books = await servers.outputs()
    assert {payout["setl_id"] for payout in books.payouts.values()} == {whole(1)["setl_id"], whole(2)["setl_id"]}
    assert set(books.times.values()) == {1}
    every = await listed(servers, "--all")
    (again,) = every.keys() - rows.keys()
    assert outcomes(every) == {
        no_pack: ["accepted"],
        misplaced: ["accepted"],
        broken: ["refused_again"],
        mute: [],
        again: [],
    }
    assert every[broken]["replays"][0]["sent"] == again
    assert every[broken]["replays"][0]["by"] == "desk-1"
    assert set(await listed(servers)) == {mute, again}

    # Once more by name: it is not open, so nothing is sent, and the event would settle nothing either.
    before = await ends(servers)
    done = await servers.yidan("quarantine", "replay", no_pack, "--yes")
    assert (done.code, done.out) == (0, "")
    assert "was sent again" in done.err
    assert await ends(servers) == before
    await produce(servers, (1, home(1), encoded(unheard(1))))
    await worker.settles(4)
    assert await worker.metric("yidan_events_total", outcome="repeated") == 1
    assert (await servers.outputs()).times == books.times


async def test_a_record_is_sent_again_byte_for_byte_with_the_record_of_it_beside_what_was_refused(
    servers: Rig, with_pack: Path
):
    value = encoded(unheard(2))
    (name,) = await refused(servers, (2, (home(2) + 1) % P, value))
    assert (await servers.yidan("quarantine", "replay", "discharges" + name[name.index("/") :], "--yes")).code == 0
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers.stack.kafka, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(DISCHARGES, home(2)), TopicPartition(QUARANTINE, (home(2) + 1) % P)])
    sent = await asyncio.wait_for(consumer.getone(TopicPartition(DISCHARGES, home(2))), 10)
    _, note = [
        await asyncio.wait_for(consumer.getone(TopicPartition(QUARANTINE, (home(2) + 1) % P)), 10) for _ in range(2)
    ]
    await consumer.stop()
    assert (sent.key, sent.value) == (whole(2)["psn_no"].encode(), value)
    assert sent.headers == (("trace", b"t-1"), ("yidan-replayed-from", name.encode()))
    message = READ_REPLAYED.validate_json(note.value)
    assert message["sent"] == {"topic": DISCHARGES, "partition": home(2), "offset": sent.offset}
    assert note.key == sent.key
    assert dict(note.headers)["ce_id"] == f"{name}>{DISCHARGES}/{home(2)}/{sent.offset}".encode()


async def test_a_dry_run_tells_the_fate_of_each_after_those_before_it_and_sends_nothing(servers: Rig, with_pack: Path):
    twice = {**unheard(1), "medfee_sumamt": "120000.01", "fulamt_ownpay_amt": "8000.01"}
    first, same, other = await refused(
        servers,
        (1, home(1), encoded(unheard(1))),
        (1, home(1), encoded(unheard(1))),
        (1, home(1), encoded(twice)),
    )
    before = await ends(servers)
    done = await servers.yidan("quarantine", "replay", "--all", "--dry-run", packs_dir=with_pack)
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0] == f"{first} settled"
    assert "19000.00: 补充医疗保险 5000.00, 医疗救助·住院 14000.00" in lines[1]
    assert lines[2] == f"{same} repeated"
    assert lines[3].startswith(f"{other} refused: setl_id_reused_with_other_content")
    assert "3 records tried one after the other, 1 would be refused again; nothing was sent" in done.err
    assert await ends(servers) == before

    shown = await servers.yidan("quarantine", "show", first)
    assert shown.code == 0
    assert "now       refused: no_pack_for_region" in shown.out
    for words in ("该参保地没有政策包", "No policy pack", "header    trace: t-1", '"insuplc_admdvs":"990123"'):
        assert words in shown.out
    told = json.loads((await servers.yidan("quarantine", "show", first, "--json", packs_dir=with_pack)).out)
    assert [payout["setl_id"] for payout in told["now"]["payouts"]] == [whole(1)["setl_id"]]


async def test_a_card_number_is_neither_shown_nor_sent_again(servers: Rig, with_pack: Path):
    (mute,) = await refused(servers, (4, home(4), MUTE))
    shown = await servers.yidan("quarantine", "show", mute, packs_dir=with_pack)
    assert shown.code == 0
    assert "it holds an identity-card number" in shown.out
    before = await ends(servers)
    for words in (("show", mute, "--json"), ("list",), ("replay", mute, "--yes"), ("replay", mute, "--dry-run")):
        done = await servers.yidan("quarantine", *words)
        assert CARD not in done.out + done.err
        assert done.code == (65 if words[0] == "replay" else 0)
    assert await ends(servers) == before


KILLED = """
import os, signal, sys
from workers import replay_commands
replay_commands._told = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from workers.cli import main
sys.argv = ["yidan", "quarantine", "replay", "--all", "--yes"]
main()
"""
"""A replay that dies when the originals are written and the record of it is not."""


async def test_a_replay_that_dies_half_way_has_sent_nothing_and_the_next_one_sends_it_once(
    servers: Rig, with_pack: Path
):
    names = await refused(servers, *((n, home(n), encoded(unheard(n))) for n in range(1, 6)))
    before = await ends(servers)
    told = process_environment(servers.environment())
    killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, env=told, cwd="/")
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert await ends(servers) != before, "it died before it had written anything"

    done = await servers.yidan("quarantine", "replay", "--all", "--yes")
    assert done.code == 0, done.err
    assert "5 records sent again" in done.err
    assert sorted(line.split(" ")[0] for line in done.out.splitlines()) == sorted(names)
    committed = await everything_committed(servers.settings(), (DISCHARGES, QUARANTINE))
    assert sum(record.topic == DISCHARGES for record in committed) == 2 * len(names)
    assert sum(b'"replayed"' in (record.value or b"") for record in committed) == len(names)
    worker = await servers.start(packs_dir=with_pack)
    await worker.settles(len(names))
    assert set((await servers.outputs()).times.values()) == {1}
    assert await listed(servers) == {}
    done = await servers.yidan("quarantine", "replay", "--all", "--yes")
    assert (done.code, done.out) == (0, "")
    assert "nothing that is open" in done.err


async def test_whoever_starts_a_replay_last_is_the_only_one_who_sends(servers: Rig):
    def note(offsets: Any) -> list[Placed]:
        return [Placed(QUARANTINE, 0, Outgoing(b"k", b"{}", [])) for _ in offsets]

    record = Placed(DISCHARGES, 0, Outgoing(b"k", b"{}", []))
    first = await ReplayWriter.open(servers.settings())
    await first.commit([record], note)
    second = await ReplayWriter.open(servers.settings())
    with pytest.raises(Fenced):
        await first.commit([record], note)
    assert await second.commit([record, record], note)
    await asyncio.gather(first.drop(), second.release())
    committed = await everything_committed(servers.settings(), (DISCHARGES, QUARANTINE))
    assert [record.topic for record in committed].count(DISCHARGES) == 3
    assert len(committed) == 6


async def test_a_broker_or_topics_that_are_not_there_are_said_in_a_line(servers: Rig):
    def in_a_line(done: Ended) -> bool:
        return done.out == "" and "Traceback" not in done.err

    gone = await servers.yidan("quarantine", "list", kafka_bootstrap="127.0.0.1:9", kafka_request_timeout_s=1)
    assert gone.code == 69
    assert in_a_line(gone)
    other = await servers.yidan("quarantine", "list", partitions=P + 1)
    assert other.code == 78
    assert "YIDAN_PARTITIONS" in other.err
    assert in_a_line(other)
    assert (await servers.yidan("quarantine", "show", "discharges/0/7")).code == 65
