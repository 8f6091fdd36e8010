"""A broker and a store in memory, and a hand that settles: what take-over and repair are tried on."""

from contracts.journal import HEADER_KEY, Header, read_header, write_header
from contracts.topics import DISCHARGES, JOURNAL, PAYOUTS
from tests.settlement.memory import Broker, Faults, MemoryKeeper, MemoryLog
from tests.settlement.purse import event, purses
from workers.settlement.inbox import Waiting
from workers.settlement.ports import Held
from workers.settlement.records import Incoming, Outgoing
from workers.settlement.takeover import Terms, take_over
from workers.settlement.turn import Committed, take_turn

P = 2
TERMS = Terms("g", P, visible_seconds_max=0.5, new_lineage=lambda: "L")


class World:
    """A broker, a store, and a hand that settles."""

    def __init__(self) -> None:
        self.broker = Broker(P)
        self.keeper = MemoryKeeper()
        self.log = MemoryLog(self.broker)

    async def take(self, faults: Faults | None = None) -> Held:
        log = MemoryLog(self.broker, faults=faults) if faults else self.log
        held, self.restored = await take_over(1, log, self.keeper, TERMS)
        return held

    async def settle(self, held: Held, *numbers: str, amount: int = 10) -> None:
        """One batch with one event a number, for person a."""
        batch = []
        for number in numbers:
            key, value = event("a", number, amount)
            offset = self.broker.send(DISCHARGES, 1, key, value)
            batch.append(Waiting(Incoming(DISCHARGES, 1, offset, key, value), 0))
        turn = await take_turn({1: (held, batch)}, self.keeper, purses)
        verdict = turn.verdicts[1]
        assert isinstance(verdict, Committed), verdict
        assert verdict.applied

    def headers(self) -> list[Header]:
        return [
            read_header(entry.value or b"") for _, entry in self.broker.committed(JOURNAL, 1) if entry.key == HEADER_KEY
        ]

    def fields(self) -> dict[bytes, bytes]:
        """The journal folded."""
        return {
            entry.key: entry.value or b""
            for _, entry in self.broker.committed(JOURNAL, 1)
            if entry.key and entry.key != HEADER_KEY
        }

    def stored(self) -> dict[bytes, bytes]:
        return {name: value for name, value in self.keeper.store.hashes[1].items() if name != HEADER_KEY}

    def payouts(self) -> int:
        return len(self.broker.committed(PAYOUTS, 1))


def forge(world: World, header: Header) -> None:
    name = "forger"
    epoch = world.broker.new_epoch(name)
    world.broker.write(name, epoch, JOURNAL, 1, [Outgoing(HEADER_KEY, write_header(header), [])])
    world.broker.end(name, epoch)
