"""Refused records in words: a line each for a list, a page for one, and what a trial came to."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from contracts.fields import moment, parse_day, parse_time
from contracts.money import parse_yuan, yuan
from contracts.payout import CombinedPayout
from contracts.refusals import MENDS, Mend
from contracts.vocabulary import Refusal
from workers.desk.quarantine import Came, Depth, Kept, Replay, refused_of
from workers.desk.table import aligned
from workers.desk.trial import Trial
from workers.settlement.records import Filed

CHINA: Final = timezone(timedelta(hours=8))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SPAN: Final = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)

ANSWERS: Final = {
    "resend": "the sender mends it and sends it again",
    "stop": "sending it again can only be refused again",
    "ask": "two systems disagree: a person must look",
}
"""What the answer of a mend asks for."""

Fate = Callable[[Replay], tuple[Came, str | None]]
"""What came of a replay, and the reason if it was refused again."""


# ── time ──────────────────────────────────────────────────────────────────────────────────────────────────────


def shown_time(milliseconds: int) -> str:
    """A moment as the region's clocks show it, with its offset."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(CHINA).isoformat(timespec="seconds")


def read_time(text: str, now_ms: int, *, ends: bool = False) -> int:
    """Milliseconds since 1970 of `2h` (so long ago), a day in China, or a time with its offset. Raises `ValueError`.

    A day begins a range at its beginning, and `ends` it at its end.
    """
    if span := _SPAN.fullmatch(text):
        return now_ms - int(span[1]) * _SECONDS[span[2]] * 1_000
    if _DAY.fullmatch(text):
        day = datetime.fromisoformat(str(parse_day(text))).replace(tzinfo=CHINA)
        return _milliseconds(day + timedelta(days=1) if ends else day)
    return _milliseconds(moment(parse_time(text)))


def _milliseconds(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(milliseconds=1)


def age(milliseconds: int) -> str:
    """A span in the two units that matter: `3 d 4 h`."""
    seconds = max(0, milliseconds) // 1_000
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds % 60} s"


# ── a list ────────────────────────────────────────────────────────────────────────────────────────────────────


def told_row(row: Kept, fate: Fate) -> dict[str, Any]:
    """A row for machines."""
    return {
        "id": str(row.id),
        "refused_at": shown_time(row.refused_ms),
        "reason": row.reason,
        "field": row.field,
        "length": row.length,
        "original_kept": row.whole,
        "replays": [told_replay(replay, fate) for replay in row.replays],
    }


def told_replay(replay: Replay, fate: Fate) -> dict[str, Any]:
    """A replay for machines."""
    came, reason = fate(replay)
    return {"at": replay.at, "by": replay.by, "sent": str(replay.sent), "came_of": came.value, "reason": reason}


def listed(rows: Sequence[Kept], fate: Fate) -> Iterator[str]:
    """A line for each row, under a head."""
    cells = [("id", "refused at", "reason", "field", "bytes", "replayed")]
    for row in rows:
        outcome = "; ".join(f"{replay.at} {fate_in_words(replay, fate)}" for replay in row.replays)
        length = f"{row.length:,}" if row.whole else f"{row.length:,} (not kept)"
        cells.append((str(row.id), shown_time(row.refused_ms), row.reason, row.field or "-", length, outcome or "-"))
    yield from aligned(cells, left=len(cells[0]), indent=0)


def fate_in_words(replay: Replay, fate: Fate) -> str:
    """What came of a replay, for people."""
    came, reason = fate(replay)
    match came:
        case Came.REFUSED_AGAIN:
            return f"refused again as {replay.sent} for {reason}"
        case Came.ACCEPTED:
            return "accepted"
        case Came.WAITING:
            return "waits for a worker"
        case Came.UNKNOWN:
            return "not known: a part of the quarantine cannot be read"


def summed(depth: Depth, now_ms: int) -> Iterator[str]:
    """Depth, age, and where it comes from."""
    if depth.oldest_ms is None:
        yield "open: 0"
        return
    yield f"open: {depth.open:,}, the oldest for {age(now_ms - depth.oldest_ms)}"
    rows = sorted(depth.by_reason.items(), key=lambda entry: (-entry[1], entry[0]))
    table = [("open", "reason", "topic"), *((f"{n:,}", reason, topic) for (reason, topic), n in rows)]
    yield from aligned(table, left=3, indent=0)


# ── one record ────────────────────────────────────────────────────────────────────────────────────────────────


def mend_of(reason: str) -> Mend | None:
    """What a reason means and asks for; None for one that only a later version knows."""
    return MENDS[Refusal(reason)] if reason in set(Refusal) else None


def page(row: Kept, filed: Filed, fate: Fate, trial: Trial | None) -> str:
    """Everything about a refused record, for people."""
    message, key, mend = refused_of(filed), filed.record.key, mend_of(row.reason)
    lines = [
        ("id", str(row.id)),
        ("refused", f"{shown_time(row.refused_ms)}, {row.reason}"),
        ("field", row.field or "-"),
        ("detail", message["detail"]),
    ]
    if mend is not None:
        lines += [("means", mend.zh), ("", mend.en), ("asks for", ANSWERS[mend.answer])]
    lines += [
        ("length", f"{row.length:,} bytes"),
        ("sha256", message["sha256"]),
        ("key", "none, or not kept" if key is None else text_of(key)),
    ]
    lines += [("header", f"{_tame(name)}: {text_of(text)}") for name, text in filed.record.headers]
    lines += [
        ("replay", f"{replay.at} by {replay.by} to {replay.sent}: {fate_in_words(replay, fate)}")
        for replay in row.replays
    ] or [("replay", "none")]
    kept = message.get("original") or message.get("original_base64") or "empty"
    lines.append(("original", row.why_not_whole or _tame(kept)))
    now = ["cannot be told"] if trial is None else trial_in_words(trial)
    lines += [("now", now[0]), *(("", line) for line in now[1:])]
    return "\n".join(f"{name:9} {text}" for name, text in lines)


def told_page(row: Kept, filed: Filed, fate: Fate, trial: Trial | None) -> dict[str, Any]:
    """The same for machines: the row, the message as it lies in quarantine, and what it would come to."""
    mend = mend_of(row.reason)
    return {
        **told_row(row, fate),
        "mend": None if mend is None else mend._asdict(),
        "why_not_kept": row.why_not_whole,
        "key": told_bytes(filed.record.key),
        "headers": [{"name": name, **(told_bytes(text) or {})} for name, text in filed.record.headers],
        "refused": refused_of(filed),
        "now": None if trial is None else told_trial(trial),
    }


def text_of(kept: bytes | None) -> str:
    """Bytes for people: their text, or hex where they are none."""
    try:
        text = (kept or b"").decode()
    except UnicodeDecodeError:
        return f"0x{(kept or b'').hex()}"
    return _tame(text)


def _tame(text: str) -> str:
    """What somebody sent, without what would steer the terminal that shows it."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def told_bytes(kept: bytes | None) -> dict[str, str] | None:
    """Bytes for machines: their text, or hex where they are none."""
    if kept is None:
        return None
    try:
        return {"text": kept.decode()}
    except UnicodeDecodeError:
        return {"hex": kept.hex()}


# ── a trial ───────────────────────────────────────────────────────────────────────────────────────────────────


def told_trial(trial: Trial) -> dict[str, Any]:
    """A trial for machines."""
    return {
        "effect": trial.effect,
        "payouts": trial.payouts,
        "signals": trial.signals,
        "refused": [_without_original(refused) for refused in trial.refused],
    }


def trial_in_words(trial: Trial) -> list[str]:
    """What a record would come to now: its effect or its refusal, then its payouts and signals in a line each."""
    refusals = [
        f"refused: {refused['reason']}, {refused['field'] or 'no field'}: {refused['detail']}"
        for refused in trial.refused
    ]
    return [
        *(refusals or [trial.effect]),
        *(f"  {payout_in_words(payout)}" for payout in trial.payouts),
        *(f"  signal {signal['kind']} {signal['state']}" for signal in trial.signals),
    ]


def payout_in_words(payout: CombinedPayout) -> str:
    """A payout in a line: what moves, and for which layers."""
    moved = [(line["label"], _fen(line["delta"])) for line in payout["lines"] if line["payable"]]
    parts = ", ".join(f"{label} {yuan_of(fen)}" for label, fen in moved if fen)
    return f"{payout['payout_id']} {payout['kind']} {yuan_of(sum(fen for _, fen in moved))}" + (
        f": {parts}" if parts else ""
    )


def yuan_of(fen: int) -> str:
    """Fen, also fewer than none, as yuan."""
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def _fen(amount: str) -> int:
    return -parse_yuan(amount[1:]) if amount.startswith("-") else parse_yuan(amount)


def _without_original(refused: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in refused.items() if not name.startswith("original")}
