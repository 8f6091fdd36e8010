"""`yidan operate` and what desks say they paid, on a real broker."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from contracts.reconciliation import parse_signed
from contracts.topics import CLEARING_PAYMENTS
from tests.operations.payouts import moved
from tests.operations.test_operate import WANTED, holds, page, publish, read, servers
from tests.settlement.rig import P, Process, Rig
from workers.settlement.validate import partition_of

__all__ = ["servers"]

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


async def pay(servers: Rig, events: list[dict[str, Any]], *, commits: bool | None = None) -> None:
    """Tells payments as a gateway does, in a transaction where it says whether that one commits."""
    name = None if commits is None else f"gateway-{commits}"
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka, transactional_id=name)
    await producer.start()
    if commits is not None:
        await producer.begin_transaction()
    for event in events:
        key = event["payment_id"].encode()
        await producer.send_and_wait(CLEARING_PAYMENTS, json.dumps(event).encode(), key, partition_of(key, P))
    if commits is not None:
        await (producer.commit_transaction() if commits else producer.abort_transaction())
    await producer.stop()


async def owes(process: Process, until: str, fen: int, seconds: float = 20.0) -> Any:
    """Waits until so much is open in all, and gives what `/owed` says then."""
    clock = asyncio.get_running_loop()
    deadline = clock.time() + seconds
    while True:
        shown = await page(process, f"/owed?until={until}")
        found = sum(parse_signed(row["open"]) + parse_signed(row["other_years_open"]) for row in shown["owed"])
        if found == fen:
            return shown
        assert clock.time() < deadline, (found, fen, process.lines[-8:])
        await asyncio.sleep(0.2)


async def test_what_is_paid_is_no_longer_owed_whoever_is_killed_and_whatever_is_rebuilt(servers: Rig):
    """Committed payments only, each once, also after a crash, a start behind a transaction's marker, and a rebuild."""
    await publish(servers, range(200))
    first = await servers.start("operate")
    await holds(first, WANTED[:200])
    until, due = "2099-12-31", moved(WANTED[:200], "fixmedins")
    await owes(first, until, due)
    clearing = (await page(first, "/clearing"))["statements"]
    one, other = sorted(clearing, key=lambda each: -parse_signed(each["fund_appy_sum"]))[:2]
    told = [
        {
            "type": "statement_paid",
            "payment_id": f"V{number}",
            "statement_id": said["statement_id"],
            "revision": said["revision"],
            "amount": amount,
            "paid_on": "2021-12-30",
            "voucher": f"记-{number}",
        }
        for number, (said, amount) in enumerate(
            ((one, "1000.00"), (one, "0.50"), (other, "200.00"), (other, "7.00")), start=1
        )
    ]
    back = {"type": "payment_taken_back", "payment_id": "V3", "why": "returned_by_bank", "taken_back_on": "2021-12-31"}
    wrong = {**told[1], "amount": "99.00"}

    await pay(servers, [{**told[0], "payment_id": "never"}], commits=False)
    await pay(servers, [told[0], told[1], told[0]])
    await pay(servers, [told[2], back, wrong], commits=True)
    left = due - 1_000_50
    shown = await owes(first, until, left)
    assert shown["unknown"] == []
    await first.until(lambda: first.said("payment refused"), "a refusal")
    assert await first.metric("yidan_payments_refused") == 1
    assert round(await first.metric("yidan_open_yuan") * 100) >= left
    await first.kill()

    # What is on the topic ends with markers of transactions: a start must not wait for records behind them.
    second = await servers.start("operate", operate_group="yidan-operate-2")
    await owes(second, until, left)
    await pay(servers, [told[3], told[2]])
    left -= 7_00
    await owes(second, until, left)
    new = await servers.start("operate", "--rebuild", operate_group="yidan-operate-3")
    assert await second.wait() == 1
    await holds(new, WANTED[:200])
    await owes(new, until, left)
    (row,) = (await page(new, f"/clearing?statement_id={one['statement_id']}"))["statements"]
    assert (row["paid_out"], row["overpaid"]) == ("1000.50", "0.00")
    await asyncio.sleep(3.0)
    assert await new.terminate() == 0
    refused = [said for _, said in await read(servers, CLEARING_PAYMENTS) if said["type"] == "payment_refused"]
    assert [(said["payment_id"], said["field"]) for said in refused] == [("V2", "amount")]
