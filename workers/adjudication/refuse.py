"""How an event is refused: a named reason, the field and the mend. Bad data never stops a partition."""

from contracts.vocabulary import Refusal


class RefusedError(Exception):
    """An event that cannot be accepted. `detail` names the mend and never repeats a value of the event."""

    def __init__(self, reason: Refusal, field: str | None, detail: str) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.field = field
        self.detail = detail


class BrokenInvariantError(Exception):
    """Yidan's own state contradicts itself. It stops the partition; the event is not at fault."""
