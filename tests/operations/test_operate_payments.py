"""`yidan operate` and what desks say they paid, on a real broker."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from contracts.money import yuan
from contracts.reconciliation import parse_signed
from contracts.topics import CLEARING, CLEARING_PAYMENTS
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
    assert await first.metric("yidan_open_fen") >= left
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


# ── the desk's commands ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_desk_says_what_it_paid_sees_what_that_leaves_open_and_takes_it_back(servers: Rig):
    await publish(servers, range(100))
    process = await servers.start("operate")
    await holds(process, WANTED[:100])
    await process.until(lambda: process.said("partitions assigned"), "partitions")
    statements = (await page(process, "/clearing"))["statements"]
    one = max(statements, key=lambda each: parse_signed(each["fund_appy_sum"]))
    name, due = one["statement_id"], parse_signed(one["fund_appy_sum"])
    async with asyncio.timeout(20):
        while name not in {key.decode() for key, _ in await read(servers, CLEARING)}:  # noqa: ASYNC110 - over Kafka
            await asyncio.sleep(0.5)
    whole = moved(WANTED[:100], "fixmedins")

    async def said(*words: str) -> tuple[int | None, Any, str]:
        ended = await servers.yidan("statements", *words, "--json")
        return ended.code, json.loads(ended.out) if ended.out else None, ended.err

    part = ("paid", name, "100.5", "--paid-on", "2021-12-30", "--voucher", "记-1")
    code, told, _ = await said(*part, "--preview")
    assert (code, told["open"], told["sent"]) == (0, yuan(due - 100_50), False)
    await asyncio.sleep(1.0)
    await owes(process, "2099-12-31", whole)
    code, told, _ = await said(*part)
    assert (code, told["before"], told["open"], told["sent"]) == (0, "0.00", yuan(due - 100_50), True)
    assert told["event"]["revision"] == one["revision"]
    await owes(process, "2099-12-31", whole - 100_50)

    code, told, err = await said(*part)  # the same voucher for the same statement is the same payment
    assert (code, told["paid_out"], told["sent"]) == (0, "100.50", False)
    assert "said before" in err
    code, told, err = await said("paid", name, "99", *part[3:])
    assert (code, told) == (65, None)
    assert "amount: this payment_id stands for another payment" in err
    much = ("paid", name, yuan(due), "--paid-on", "2021-12-31", "--voucher", "记-2")
    code, _, err = await said(*much)
    assert code == 65
    assert "AMOUNT: 100.50 more than the statement comes to" in err
    code, _, err = await said("paid", f"{name[:-2]}99", *part[2:])
    assert code == 65
    assert "STATEMENT_ID" in err
    assert (await said("paid", name, "0", *part[3:]))[0] == 65
    code, told, _ = await said(*much, "--overpay")
    assert (code, told["overpaid"]) == (0, "100.50")
    await owes(process, "2099-12-31", whole - due - 100_50)

    back = ("take-back", told["event"]["payment_id"], "--why", "returned_by_bank", "--on", "2022-01-04")
    ended = await servers.yidan("statements", *back, "--preview")
    assert (ended.code, ended.err) == (0, "")
    assert name in ended.out
    assert "银行退汇" in ended.out
    code, told, _ = await said(*back)
    assert (code, told["open"], told["sent"]) == (0, yuan(due - 100_50), True)
    await owes(process, "2099-12-31", whole - 100_50)
    assert (await said("take-back", "nobody", *back[2:]))[0] == 65
    assert await process.terminate() == 0
