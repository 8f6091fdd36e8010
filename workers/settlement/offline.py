"""Settlement without a broker or a store: what the worker would emit for a file of events, in order."""

from collections.abc import Iterable, Iterator

from contracts.pack import PackSet
from contracts.pack_file import load_pack
from contracts.quarantine import Refused
from workers.adjudication.books import Books, Outcome
from workers.adjudication.refuse import RefusedError
from workers.adjudication.shelf import OpenShelf
from workers.settlement.decode import decode
from workers.settlement.quarantine import refused
from workers.settlement.take import take
from workers.settlement.validate import refuse_card_numbers


class Settler:
    """Settles events one after another, keeping everybody's year in memory."""

    def __init__(self, packs: PackSet) -> None:
        self.books = Books(packs, load_pack)
        self.shelf = OpenShelf()

    def take(self, value: bytes) -> Outcome:
        """Settle one event. A refused event changes nothing."""
        try:
            event = decode(value)
            refuse_card_numbers(event)
            return take(self.books, self.shelf, event)
        except RefusedError as refusal:
            return Outcome("refused", refusal=refusal)

    def settle_lines(self, lines: Iterable[bytes]) -> Iterator[tuple[Outcome, Refused | None]]:
        """Settle JSON lines in order; with each refusal, its quarantine message, which names the line."""
        for number, line in enumerate(lines, 1):
            value = line.removesuffix(b"\n").removesuffix(b"\r")
            taken = self.take(value)
            if taken.refusal is None:
                yield taken, None
            else:
                yield taken, refused(taken.refusal, value, {"line": number})
