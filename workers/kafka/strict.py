"""aiokafka's transactional requests without resending: an answer that is lost is an outcome that is unknown.

aiokafka 0.14 answers a lost connection or a time-out by sending the same request again in the same epoch, for ever. A
request that was only late can then end the *next* transaction of that epoch. Here such a request fails the producer;
the partition is taken over again under a new epoch, and the journal says what had happened. Requests that were
answered "not yet" may be asked again, except the one that ends a transaction: that is sent once and no more.

A transaction that may not have one of its partitions, or its group, is over. aiokafka would send what is buffered all
the same, for partitions that the broker does not know to be part of it. There it joins the transaction before, if that
one's marker is not yet written, and is committed with it; or hangs until the next transaction is committed.

A transaction that begins while the broker still writes the markers of the one before is answered "not yet" too; the
client would ask again after 20 ms, in which a whole batch is done, and here asks sooner.

This replaces one method of four private classes and a constant, so aiokafka is pinned to 0.14, and a test loses answers
on purpose.
"""

import asyncio
from typing import Any, Final

import aiokafka
import aiokafka.producer.sender
from aiokafka.errors import KafkaError
from aiokafka.producer.sender import (
    AddOffsetsToTxnHandler,
    AddPartitionsToTxnHandler,
    EndTxnHandler,
    TxnOffsetCommitHandler,
)
from aiokafka.producer.transaction_manager import TransactionState

PATCHED: Final = "0.14."

MARKERS_SECONDS: Final = 0.005
"""How long the markers of a transaction are given before its successor asks again."""

_ASKED_AGAIN: Final = (AddPartitionsToTxnHandler, AddOffsetsToTxnHandler, TxnOffsetCommitHandler)


class EndOfTransactionUnknown(KafkaError):  # type: ignore[misc]
    """The broker has neither confirmed nor refused the end of a transaction."""


async def _ask(handler: Any, node_id: int) -> float | None:
    """Sends once. Raises what the connection raises, and a refusal; returns the back-off that the answer asks for."""
    request = handler.create_request()
    answer = await handler._sender.client.send(node_id, request, group=handler.group)
    backoff: float | None = handler.handle_response(answer)
    transactions = handler._sender._txn_manager
    if transactions.state is TransactionState.ABORTABLE_ERROR:
        raise transactions.wait_for_transaction_end().exception()  # ends the sender before it sends anything more
    return backoff


async def _may_be_asked_again(handler: Any, node_id: int) -> bool:
    backoff = await _ask(handler, node_id)
    if backoff is None:
        return True
    await asyncio.sleep(backoff)
    return False


async def _once(handler: Any, node_id: int) -> bool:
    if await _ask(handler, node_id) is not None:
        raise EndOfTransactionUnknown
    return True


def forbid_resending() -> None:
    """Puts the strict methods in force for every producer of this process."""
    if not aiokafka.__version__.startswith(PATCHED):
        raise RuntimeError(f"aiokafka is {aiokafka.__version__}; the strict handlers were made for {PATCHED}*")
    for handler in _ASKED_AGAIN:
        handler.do = _may_be_asked_again
    EndTxnHandler.do = _once
    aiokafka.producer.sender.BACKOFF_OVERRIDE = MARKERS_SECONDS
