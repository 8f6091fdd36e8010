"""A fuzz campaign on what comes in: whatever the bytes are, they are settled or refused by name, and nothing else.

    make fuzz                     1,000,000 inputs
    make fuzz INPUTS=20000        fewer

libFuzzer, by way of atheris, changes the seeds in `tests/settlement/corpus` and keeps what reaches new code. Five times
out of six the change is made in the parsed document, since bytes changed blindly seldom remain JSON. An input that
breaks a promise is written to a file, and the campaign ends with an error.
"""

import argparse
import base64
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

CORPUS: Final = Path(__file__).resolve().parents[2] / "tests" / "settlement" / "corpus"

INPUT_BYTES_MAX: Final = 4096
"""Longer inputs only repeat what shorter ones reach; the limit of a message has tests of its own."""

PARTITIONS: Final = 12

VALUES: Final[tuple[Any, ...]] = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**63,
        10**40,
        0.1,
        1e308,
        "",
        " ",
        "0",
        "0.01",
        "-0.01",
        "1.005",
        "1e3",
        "1,000.00",
    ),
    *("１２", "9999999999999.99", "10000000000000", "NaN", "2021-02-29", "2021-3-2", "0000-00-00", "9999-12-31"),
    *("2021-03-02T10:15:00", "2021-03-02T10:15:00+08:00", "2021-03-02t10:15:60z", "2021-03-02T24:00:00+14:00"),
    *("390", "310", "21", "2101", "99", "331002", "000000", "999999", "P|1", "a:b", "\x00", "\ud7ff", "𠮷", "x" * 65),
    *([], [None], {}, {"": None}, [[]], [{}], [{"psn_idet_type": "2303", "begntime": "2020-01-01"}] * 65),
)
"""What is put in a field's place: the edges of every kind of field, and other kinds of JSON."""


BYTES_CHANGED: Final = 1 / 6
"""How often bytes are changed and not the document."""


def mutated(value: bytes, rng: Random) -> bytes:
    """The document with one to three changes inside; other bytes come back as they are."""
    document = document_of(value)
    if not document:
        return value
    for _ in range(rng.randint(1, 3)):
        names = list(document)
        name = rng.choice(names)
        act = rng.randrange(5)
        if act == 0:
            del document[name]
        elif act == 1:
            document[name] = document[rng.choice(names)]
        elif act == 2 and isinstance(document[name], str) and document[name]:
            at = rng.randrange(len(document[name]))
            document[name] = document[name][:at] + chr(rng.randrange(1, 0x3000)) + document[name][at + 1 :]
        else:
            document[name] = rng.choice(VALUES)
        if not document:
            break
    try:
        return orjson.dumps(document)
    except TypeError:  # a number or a lone surrogate that orjson does not write
        return value


def document_of(value: bytes) -> dict[str, Any]:
    """The JSON object that bytes hold; empty where they hold none."""
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


class Judge:
    """Whether what comes in keeps the promises of the contract. Holds the packs, and no person."""

    def __init__(self) -> None:
        from contracts.pack_file import load_directory, load_pack
        from workers.adjudication.books import Books

        self._books = Books(load_directory(), load_pack)

    def judge(self, value: bytes) -> str:
        """What one input came to: the refusal's name, or the event's effect.

        Raises `AssertionError` on a broken promise. The input goes the worker's own way, as the first record of its
        person in an empty state.
        """
        from workers.settlement.pipeline import Batch

        batch = Batch(self._books, *self._placed(value))
        while names := batch.wanted():
            batch.supply(dict.fromkeys(names))
        result = batch.settle()
        if result.quarantine:
            assert len(result.quarantine) == 1, "refused twice"
            assert not result.fields, "a refused event changed the state"
            assert not result.payouts, "a refused event is paid"
            return self._refused(result.quarantine[0].value, value)
        ((_, effect),) = result.counts.effects
        for payout in result.payouts:
            _adds_up(payout.value)
        return effect

    def _placed(self, value: bytes) -> tuple[int, int, list[Any]]:
        """Where a gateway would put the input: its type's topic, its person's key and partition."""
        from contracts.events import TOPIC_OF_TYPE
        from contracts.topics import DISCHARGES
        from workers.settlement.records import Incoming
        from workers.settlement.validate import partition_of

        document = document_of(value)
        psn_no, kind = document.get("psn_no"), document.get("type")
        key = psn_no.encode("utf-8", "replace") if isinstance(psn_no, str) else b"P"
        topic = TOPIC_OF_TYPE.get(kind, DISCHARGES) if isinstance(kind, str) else DISCHARGES
        partition = partition_of(key, PARTITIONS)
        return partition, PARTITIONS, [Incoming(topic, partition, 0, key, value)]

    @staticmethod
    def _refused(record: bytes, value: bytes) -> str:
        from contracts.fields import holds_card_number
        from contracts.quarantine import READ_REFUSED
        from contracts.refusals import MENDS

        refused = READ_REFUSED.validate_json(record)
        assert refused["reason"] in MENDS, "a refusal without a mend"
        assert refused["detail"], "a refusal that does not say what to do"
        assert refused["length"] == len(value), "the length of another input"
        # Not in the digest, whose hexadecimal digits may look like one.
        kept = base64.b64decode(refused.get("original_base64", "")).decode("latin-1")
        told = f"{refused.get('original')} {kept} {refused['detail']} {refused['field']}"
        assert not holds_card_number(told), "a card number in quarantine"
        return refused["reason"]


def _adds_up(record: bytes) -> None:
    from contracts.money import parse_yuan
    from contracts.payout import READ_PAYOUT
    from contracts.vocabulary import HOSPITAL_SHARE

    payout = READ_PAYOUT.validate_json(record)
    if "medfee_sumamt" in payout and "psn_part_amt" in payout:
        funds, person = parse_yuan(payout["fund_pay_sumamt"]), parse_yuan(payout["psn_part_amt"])
        hospital = parse_yuan(payout.get("other_payments", {}).get(HOSPITAL_SHARE, "0.00"))
        assert funds + person + hospital == parse_yuan(payout["medfee_sumamt"]), "a payout that does not add up"


def seeds() -> dict[str, bytes]:
    """The seeds by name: every example of the contract, and every way in which we know an event to be broken."""
    from workers.contracts_book.messages import MESSAGES
    from workers.rehearsal.broken import BROKEN, encoded, whole

    found = {
        f"good_{message.name}": encoded(message.examples[0])
        for message in MESSAGES
        if message.topic.endswith(("discharges.v1", "persons.v1", "applications.v1"))
    }
    for number, (kind, broken) in enumerate(sorted(BROKEN.items())):
        value = broken(whole(number), Random(number))
        if len(value) <= INPUT_BYTES_MAX:
            found[f"broken_{kind}"] = value
    return found


def main() -> int:
    """Run a campaign; 0 when every promise was kept."""
    asked = argparse.ArgumentParser(prog="make fuzz", description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--inputs", type=int, default=1_000_000, help="how many inputs")
    asked.add_argument("--seed", type=int, default=1, help="libFuzzer's own seed")
    asked.add_argument("--write-seeds", action="store_true", help="write tests/settlement/corpus and end")
    told = asked.parse_args()
    if told.write_seeds:
        CORPUS.mkdir(parents=True, exist_ok=True)
        for name, value in seeds().items():
            (CORPUS / name).write_bytes(value)
        return 0
    _campaign(told.inputs, told.seed)
    return 0


def _campaign(inputs: int, seed: int) -> None:
    """LibFuzzer ends the process itself, with 0 after `inputs` and another code on the first broken promise."""
    import atheris

    with atheris.instrument_imports(include=["contracts", "workers"]):
        judge = Judge()
        judge.judge(b"{}")  # imports what is imported late
    rng, came_to, began = Random(seed), dict[str, int](), time.monotonic()
    good = sorted(value for value in seeds().values() if document_of(value))

    def take(value: bytes) -> None:
        outcome = judge.judge(value)
        came_to[outcome] = came_to.get(outcome, 0) + 1
        if sum(came_to.values()) == inputs:
            spent = time.monotonic() - began
            sys.stderr.write(f"{inputs:,} inputs in {spent:.0f} s, none broke a promise; they came to\n")
            for name, count in sorted(came_to.items(), key=lambda each: -each[1]):
                sys.stderr.write(f"{count:>12,}  {name}\n")

    def change(value: bytes, size_max: int, number: int) -> bytes:
        if rng.random() < BYTES_CHANGED:
            changed: bytes = atheris.Mutate(value, size_max)
            return changed
        return mutated(value if document_of(value) else rng.choice(good), Random(number))[:size_max]

    with tempfile.TemporaryDirectory() as found:
        words = [sys.argv[0], f"-runs={inputs}", f"-seed={seed}", f"-max_len={INPUT_BYTES_MAX}", "-verbosity=0"]
        atheris.Setup([*words, "-print_final_stats=1", found, str(CORPUS)], take, custom_mutator=change)
        atheris.Fuzz()


if __name__ == "__main__":
    raise SystemExit(main())
