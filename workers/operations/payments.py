"""What desks have said that they paid: a fold over the whole topic, which every process makes for itself.

Few payments come, and their topic is kept for ever. So there is no owner, no group and no log of them: whoever starts
reads all, and two that have read equally far know the same. A payment and its taking back have one key, so they lie in
one partition, and of two records that contradict each other the first one there counts, whoever reads them.
"""

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from contracts.clearing_payment import (
    PAYMENT_FIELDS,
    READ_PAYMENT,
    READ_PAYMENT_REFUSED,
    PaymentRefused,
    PaymentTakenBack,
    StatementPaid,
    TakenBackFor,
)
from contracts.fields import holds_card_number
from contracts.money import Fen
from workers.settlement.validate import partition_of

_REFUSED_WORD: Final = b"payment_refused"

_MENDS: Final = {
    "missing": ("field_is_missing", "send this field: it is required"),
    "json_invalid": ("message_is_not_json", "send one JSON object per message, in UTF-8"),
    "dict_type": ("message_is_not_an_object", "send one JSON object per message"),
    "model_type": ("message_is_not_an_object", "send one JSON object per message"),
    "model_attributes_type": ("message_is_not_an_object", "send one JSON object per message"),
    "union_tag_invalid": ("event_type_is_unknown", "send statement_paid or payment_taken_back"),
    "union_tag_not_found": ("field_is_missing", "send the type: statement_paid or payment_taken_back"),
    "string_pattern_mismatch": ("identifier_is_malformed", "send 1 to 64 characters without blanks"),
    "enum": ("code_is_unknown", "send returned_by_bank, cancelled or recorded_by_mistake"),
    "greater_than_equal": ("field_has_wrong_type", "send a revision of the statement: 1 or more"),
}
"""What an error of pydantic is called, and how it is mended; of others the words are the contract's own."""


class Payment(NamedTuple):
    """A payment with what took it back, if anything did."""

    paid: StatementPaid
    taken_back: PaymentTakenBack | None

    def counts(self, until: str | None) -> bool:
        """Whether it counts up to a day, the day included; None: on the last day of all."""
        if until is not None and self.paid.paid_on > until:
            return False
        back = self.taken_back
        if back is None:
            return True
        return until is not None and back.why != TakenBackFor.RECORDED_BY_MISTAKE and back.taken_back_on > until


class Payments:
    """What all partitions say, as far as they have been read."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._paid: dict[str, StatementPaid] = {}
        self._taken_back: dict[str, PaymentTakenBack] = {}
        self._of: dict[str, list[str]] = {}
        self.refused: dict[tuple[int, int], PaymentRefused] = {}
        """What counts for nothing, by the partition and offset where it stands."""
        self._said: set[tuple[int, int]] = set()
        self.positions = [0] * partitions
        """What is next to be read, by partition."""

    def take(self, partition: int, offset: int, key: bytes | None, value: bytes | None) -> None:
        """Takes in a record of the topic, whatever it holds. One that was taken in before changes nothing."""
        if offset < self.positions[partition]:
            return
        self.positions[partition] = offset + 1
        if value is not None and _REFUSED_WORD in value and self._is_said(value):
            return
        try:
            self._count(self._read(partition, key, value or b""))
        except _Unfit as unfit:
            self.refused[partition, offset] = {
                "type": "payment_refused",
                "payment_id": unfit.payment_id,
                "partition": partition,
                "offset": offset,
                "reason": unfit.reason,
                "field": unfit.field,
                "detail": unfit.detail,
            }

    def unsaid(self, partitions: Collection[int]) -> list[PaymentRefused]:
        """What counts for nothing in some partitions and has not been said on the topic yet."""
        return [said for place, said in self.refused.items() if place[0] in partitions and place not in self._said]

    def _is_said(self, value: bytes) -> bool:
        """Whether it is a refusal of ours."""
        try:
            refused = READ_PAYMENT_REFUSED.validate_json(value)
        except ValidationError:
            return False
        self._said.add((refused["partition"], refused["offset"]))
        return True

    def paid(self, statement_id: str, until: str | None = None) -> Fen:
        """What has been paid on a statement, up to a day or in all."""
        return sum(each.paid.amount for each in self.of(statement_id) if each.counts(until))

    def of(self, statement_id: str) -> Iterator[Payment]:
        """The payments of a statement, also those that were taken back."""
        for payment_id in self._of.get(statement_id, ()):
            yield Payment(self._paid[payment_id], self._taken_back.get(payment_id))

    def find(self, payment_id: str) -> Payment | None:
        """The payment of this name."""
        paid = self._paid.get(payment_id)
        return None if paid is None else Payment(paid, self._taken_back.get(payment_id))

    def statements(self) -> Iterator[str]:
        """Every statement that a payment names, whether there is such a statement or not."""
        return iter(self._of)

    def taken_back_unseen(self) -> Iterator[PaymentTakenBack]:
        """What was taken back and has not come itself."""
        return (back for payment_id, back in self._taken_back.items() if payment_id not in self._paid)

    def contradiction(self, said: StatementPaid | PaymentTakenBack) -> str | None:
        """The field in which something of that name was said otherwise before; None where nothing was."""
        known: Any = self._known(said).get(said.payment_id)
        if known is None or known == said:
            return None
        return next(name for name in type(said).model_fields if getattr(known, name) != getattr(said, name))

    def _known(self, said: StatementPaid | PaymentTakenBack) -> dict[str, Any]:
        return self._paid if isinstance(said, StatementPaid) else self._taken_back

    def _count(self, said: StatementPaid | PaymentTakenBack) -> None:
        field = self.contradiction(said)
        if field is not None:
            raise _Unfit(
                said.payment_id,
                "payment_id_reused_with_other_content",
                field,
                "this payment_id stands for another payment: send another one, or take the first back and pay anew"
                if isinstance(said, StatementPaid)
                else "this payment was taken back otherwise before; the first taking back counts",
            )
        known = self._known(said)
        if said.payment_id not in known and isinstance(said, StatementPaid):
            self._of.setdefault(said.statement_id, []).append(said.payment_id)
        known[said.payment_id] = said

    def _read(self, partition: int, key: bytes | None, value: bytes) -> StatementPaid | PaymentTakenBack:
        if holds_card_number(value.decode("utf-8", "replace")):
            raise _Unfit(None, "card_number_in_identifier", None, "send no identity-card number in any field")
        try:
            said = READ_PAYMENT.validate_json(value)
        except ValidationError as error:
            raise _named(error) from None
        name = said.payment_id.encode()
        if key != name:
            raise _Unfit(
                said.payment_id,
                "key_is_not_payment_id",
                "payment_id",
                "send payment_id, byte for byte, as the key of the Kafka record",
            )
        if partition_of(name, self._partitions) != partition:
            raise _Unfit(
                said.payment_id,
                "wrong_partition",
                "payment_id",
                f"partition by murmur2(payment_id) % {self._partitions}, the default of Kafka's Java client",
            )
        return said


class _Unfit(Exception):
    """A record counts for nothing."""

    def __init__(self, payment_id: str | None, reason: str, field: str | None, detail: str) -> None:
        super().__init__(reason)
        self.payment_id, self.reason, self.field, self.detail = payment_id, reason, field, detail


def _named(error: ValidationError) -> _Unfit:
    """What the first of a validation's errors amounts to. No value is repeated, and no name that is not ours."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    kind = first["type"]
    named = [str(part) for part in first["loc"] if part in PAYMENT_FIELDS]
    field = "type" if kind.startswith("union_tag") else ".".join(named) or None
    if kind in _MENDS:
        reason, detail = _MENDS[kind]
    elif kind.endswith("_type") and kind != "field_has_wrong_type":
        reason, detail = "field_has_wrong_type", "send the type that the contract names"
    else:
        reason, detail = kind, first["msg"]
    return _Unfit(None, reason, field, detail)
