"""A TCP proxy that breaks connections in the ways a network does, and Kafka transactions at the request that is named.

It stands between the workers and one server. Only Kafka's framing is known to it: a length, then of a request the key
of the API and a correlation number, of an answer the same number.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from workers.rehearsal.server import HOST

PRODUCE: Final = 0
ADD_PARTITIONS_TO_TXN: Final = 24
ADD_OFFSETS_TO_TXN: Final = 25
END_TXN: Final = 26
TXN_OFFSET_COMMIT: Final = 28

CHUNK: Final = 65_536
SILENT_SECONDS_MAX: Final = 45.0
"""After this a half-open connection is given up by the proxy too, whatever its client does."""

LATE_SECONDS_AFTER: Final = 1.0


class Cut(StrEnum):
    """What becomes of the request that springs a trap."""

    REQUEST_IS_LOST = "request is lost"
    ANSWER_IS_LOST = "answer is lost"
    REQUEST_IS_LATE = "request is late"
    """It reaches the broker after its sender has given up and gone."""


@dataclass(eq=False, slots=True)
class Trap:
    """Waits for a request of this API."""

    api: int
    cut: Cut
    late_seconds: float
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(eq=False, slots=True)
class Connection:
    """One client's connection and the one to the server that answers it."""

    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    server: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    answers_to_lose: dict[int, Trap] = field(default_factory=dict)

    def reset(self) -> None:
        """Both ends see a connection reset, and what was under way is gone."""
        for _, writer in (self.client, self.server):
            plug = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """A port of its own, for as long as the block lasts, whatever becomes of the server behind it."""

    def __init__(self, *, speaks_kafka: bool) -> None:
        self._speaks_kafka = speaks_kafka
        self._upstream = 0
        self._listener: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._traps: list[Trap] = []
        self.connections: set[Connection] = set()
        self.port = 0

    async def __aenter__(self) -> "Proxy":
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_raised: object) -> None:
        if self._listener is not None:
            self._listener.close()
        for connection in list(self.connections):
            connection.reset()
        for task in list(self._serving):
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def to(self, port: int) -> None:
        """Where new connections lead."""
        self._upstream = port

    # ── what can be done to connections ───────────────────────────────────────────────────────────────────────

    def set_trap(self, api: int, cut: Cut, late_seconds: float = 0.0) -> Trap:
        """The next request of this API springs it."""
        trap = Trap(api, cut, late_seconds + LATE_SECONDS_AFTER)
        self._traps.append(trap)
        return trap

    def take_trap_away(self, trap: Trap) -> None:
        """Nothing came by in time."""
        with contextlib.suppress(ValueError):
            self._traps.remove(trap)

    async def stall(self, connections: list[Connection], seconds: float) -> None:
        """Nothing gets through for a while, then everything does."""
        for connection in connections:
            connection.flows.clear()
        await asyncio.sleep(seconds)
        for connection in connections:
            connection.flows.set()

    async def leave_half_open(self, connections: list[Connection]) -> None:
        """Nothing gets through any more, and neither end is told."""
        for connection in connections:
            connection.flows.clear()
        await asyncio.sleep(SILENT_SECONDS_MAX)
        for connection in connections:
            connection.reset()

    # ── the ordinary course ───────────────────────────────────────────────────────────────────────────────────

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            upstream = await asyncio.open_connection(HOST, self._upstream)
        except OSError:
            writer.transport.abort()  # the server is away: its address refuses
            return
        connection = Connection((reader, writer), upstream)
        connection.flows.set()
        self.connections.add(connection)
        pumps = [self._requests(connection), self._answers(connection)]
        tasks = [asyncio.create_task(pump) for pump in pumps]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connections.discard(connection)
            for pump in tasks:
                pump.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for _, end in (connection.client, connection.server):
                end.transport.abort()

    async def _requests(self, connection: Connection) -> None:
        await self._pump(connection, connection.client[0], connection.server[1], self._request)

    async def _answers(self, connection: Connection) -> None:
        await self._pump(connection, connection.server[0], connection.client[1], self._answer)

    async def _pump(
        self,
        connection: Connection,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        look: Callable[[Connection, bytes], Awaitable[bool]],
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                if self._speaks_kafka:
                    size = await source.readexactly(4)
                    passed = size + await source.readexactly(int.from_bytes(size, "big"))
                else:
                    passed = await source.read(CHUNK)
                    if not passed:
                        return
                await connection.flows.wait()
                if self._speaks_kafka and not await look(connection, passed):
                    return
                sink.write(passed)
                await sink.drain()

    async def _request(self, connection: Connection, frame: bytes) -> bool:
        """Whether the request goes on to the broker."""
        if not self._traps or len(frame) < 12:
            return True
        api, _, correlation = struct.unpack_from(">hhi", frame, 4)
        trap = next((trap for trap in self._traps if trap.api == api), None)
        if trap is None:
            return True
        self._traps.remove(trap)
        match trap.cut:
            case Cut.REQUEST_IS_LOST:
                connection.reset()
                trap.sprung.set()
                return False
            case Cut.ANSWER_IS_LOST:
                connection.answers_to_lose[correlation] = trap
            case Cut.REQUEST_IS_LATE:
                await asyncio.sleep(trap.late_seconds)
                if connection.server[1].is_closing():
                    return False
                trap.sprung.set()
        return True

    async def _answer(self, connection: Connection, frame: bytes) -> bool:
        """Whether the answer goes on to the client."""
        if not connection.answers_to_lose or len(frame) < 8:
            return True
        trap = connection.answers_to_lose.pop(struct.unpack_from(">i", frame, 4)[0], None)
        if trap is None:
            return True
        connection.reset()
        trap.sprung.set()
        return False
