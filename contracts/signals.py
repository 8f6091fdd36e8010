"""Signals: what somebody must be told although no money moves."""

from typing import Final, Literal

from pydantic import ConfigDict, TypeAdapter, with_config
from typing_extensions import TypedDict

from contracts.vocabulary import LayerId, SignalKind


@with_config(ConfigDict(extra="forbid", strict=True))
class Signal(TypedDict):
    """`signal`: raised when its cause appears and withdrawn when a correction takes the cause away.

    `signal_id` is `psn_no:year:region:kind:layer:revision`; `layer` is null for a signal about the whole year.
    """

    type: Literal["signal"]
    signal_id: str
    kind: SignalKind
    state: Literal["raised", "withdrawn"]
    psn_no: str
    year: int
    region: str
    layer: LayerId | None
    revision: int
    setl_id: str | None
    clause: str | None


READ_SIGNAL: Final = TypeAdapter(Signal)
