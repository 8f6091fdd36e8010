"""A reversal tried before it is sent: what it would change, or why it would be refused."""

from dataclasses import dataclass
from typing import Any

import orjson

from contracts.quarantine import Refused
from contracts.refusals import MENDS
from contracts.vocabulary import Refusal
from workers.desk.preview import Movements, summary
from workers.desk.source import Source
from workers.desk.trial import Trial, try_event


def reversed_event(psn_no: str, setl_id: str, *, msgid: str, setl_time: str) -> bytes:
    """The event `reversed` as it is sent."""
    fields = {"type": "reversed", "msgid": msgid, "setl_id": setl_id, "psn_no": psn_no, "setl_time": setl_time}
    return orjson.dumps(fields)


@dataclass(frozen=True, slots=True)
class TriedReversal:
    """A reversal, and what it would come to now. `refused` is the refusal, where it would be refused."""

    event: bytes
    trial: Trial
    moved: Movements
    refused: Refused | None

    def written(self, *, sent: bool) -> dict[str, Any]:
        """As JSON writes it: the payouts and signals are those that the worker would emit."""
        return {
            "type": "reversal_preview",
            "effect": self.trial.effect,
            "sent": sent,
            # A refused event is not repeated: what is wrong with it may be a card number in its identifiers.
            "event": orjson.loads(self.event) if self.refused is None else None,
            "refused": None if self.refused is None else {**_why(self.refused), "mend": _mend(self.refused)._asdict()},
            "movements": self.moved.written(),
            "payouts": self.trial.payouts,
            "signals": self.trial.signals,
        }


async def try_reversal(source: Source, event: bytes, psn_no: str) -> TriedReversal:
    """What sending a reversal would bring about now. Raises `SourceUnfit`."""
    trial = await try_event(source, event, psn_no=psn_no, type_="reversed")
    return TriedReversal(event, trial, summary(trial.payouts), next(iter(trial.refused), None))


def refusal_text(refused: Refused) -> str:
    """A refusal by name, with what must be done about it, in both languages. It repeats no value."""
    field = f" ({refused['field']})" if refused["field"] else ""
    mend = _mend(refused)
    return f"{refused['reason']}{field}：{mend.zh}\n{mend.en}"


def _why(refused: Refused) -> dict[str, Any]:
    return {"reason": refused["reason"], "field": refused["field"], "detail": refused["detail"]}


def _mend(refused: Refused) -> Any:
    return MENDS[Refusal(refused["reason"])]
