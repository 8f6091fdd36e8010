"""The core as a worker runs it: one event a batch, over fields that were written as bytes and are read as bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.events import TOPIC_OF_TYPE
from contracts.journal import read_field
from contracts.pack import PackSet
from tests.adjudication.pack_variants import load_version
from workers.adjudication.books import Books
from workers.settlement.pipeline import Batch
from workers.settlement.records import Incoming

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """What one event came to: as the wire has it, and the effect that is counted."""

    payouts: list[dict[str, Any]] = field(default_factory=list)
    signals: list[dict[str, Any]] = field(default_factory=list)
    refusal: str | None = None
    effect: str = "refused"


class StoredCore:
    """Settles one event after another; between two of them nothing remains but the fields.

    Whoever changes the packs in use gets a worker that has just started: old packs are found in the journal or nowhere.
    """

    def __init__(self, packs: PackSet) -> None:
        self.fields: dict[str, bytes] = {}
        self.offset: Final = iter(range(10**9))
        self.use(packs)

    def use(self, packs: PackSet) -> None:
        """Start again with these packs."""
        self.packs = packs
        self.books = Books(PackSet(packs.packs), load_version)

    def take(self, event: Event) -> Said:
        """Settle one event and keep what it wrote."""
        key, value = str(event["psn_no"]).encode(), json.dumps(event).encode()
        record = Incoming(TOPIC_OF_TYPE[event["type"]], 0, next(self.offset), key, value)
        batch = Batch(self.books, 0, 1, [record])
        while names := batch.wanted():
            batch.supply({name: self.fields.get(name) for name in names})
        result = batch.settle()
        assert result.fresh == sum(name not in self.fields for name, _ in result.fields)
        self.fields.update(result.fields)
        if result.quarantine:
            return Said(refusal=json.loads(result.quarantine[0].value)["reason"])
        ((_, effect),) = result.counts.effects
        payouts, signals = ([json.loads(out.value) for out in made] for made in (result.payouts, result.signals))
        return Said(payouts, signals, effect=effect)

    def field(self, name: str) -> Any:
        """A field's value, or None."""
        text = self.fields.get(name)
        return None if text is None else read_field(name, text)

    def named(self, kind: str) -> dict[str, Any]:
        """Every field of a kind."""
        return {name: read_field(name, text) for name, text in self.fields.items() if name.startswith(f"{kind}|")}
