"""`yidan packs adopt`: price the past again by the pack in use, shown before it is done."""

import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson
import typer

from contracts.pack import Pack
from contracts.topics import PERSONS
from contracts.vocabulary import Refusal, SignalKind
from contracts.words import SIGNAL_TEXTS
from workers.adjudication.page import Page
from workers.correction_commands import BEIJING
from workers.desk.adoption import Adoption, adoptions, packs_to_adopt
from workers.desk.preview import Totals
from workers.desk.preview_page import totals_sections
from workers.desk.source import Source
from workers.desk.table import aligned
from workers.desk_commands import asking
from workers.exits import Exit
from workers.offline_commands import complain, progress_bar

_STATES: Final = {"raised": "新增", "withdrawn": "撤回"}


@dataclass(frozen=True, slots=True)
class AdoptOrder:
    """What `yidan packs adopt` was asked to do."""

    region: str
    first_day: str
    preview: bool
    as_json: bool
    events: Path | None
    packs: Path | None
    settled_under: Path | None


@dataclass(slots=True)
class _Sum:
    """What all adoptions together come to; sums only, so a province fits."""

    packs: list[Pack] = field(default_factory=list)
    person_years: int = 0
    totals: Totals = field(default_factory=Totals)
    signals: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[Refusal] = field(default_factory=Counter)

    def take(self, adoption: Adoption) -> bool:
        """Add one; whether it may be sent."""
        self.person_years += 1
        for refused in adoption.trial.refused:
            self.refused[Refusal(refused["reason"])] += 1
        for payout in adoption.trial.payouts:
            self.totals.take(payout)
        for signal in adoption.trial.signals:
            self.signals[signal["kind"], signal["state"]] += 1
        return not adoption.trial.refused


def adopt_pack(order: AdoptOrder) -> Exit:
    """Show what adopting a region's pack from a day of discharge on would move, and send the events that do it.

    Person-years that would be refused are counted by reason and not sent. With a file of events nothing is sent: the
    events stand on standard output, to be appended to such a file, and the page goes to standard error.
    """
    come_to = _Sum()
    known_at = datetime.now(BEIJING).isoformat(timespec="seconds")

    async def job(source: Source) -> Exit:
        come_to.packs = packs_to_adopt(source.books.packs, order.region)
        if not come_to.packs:
            complain(f"REGION: no pack covers {order.region}")
            return Exit.USAGE
        found = _found(source, order, known_at, come_to)
        if order.events is not None:
            async for adoption in found:
                if not order.preview:
                    typer.echo(adoption.value.decode())
        elif order.preview:
            async for _ in found:
                pass
        else:
            await _sent(found)
        return Exit.OK

    ended = asking(job, events=order.events, packs=order.packs, settled_under=order.settled_under)
    if ended is not Exit.OK:
        return ended
    if order.as_json and (order.events is None or order.preview):
        sys.stdout.buffer.write(orjson.dumps(_written(order, come_to), option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()
    else:
        typer.echo(_page(order, come_to), nl=False, err=order.events is not None and not order.preview)
    return Exit.BAD_DATA if come_to.refused else Exit.OK


async def _found(source: Source, order: AdoptOrder, known_at: str, come_to: _Sum) -> AsyncIterator[Adoption]:
    """Every adoption that may be sent, each added to the sum; a bar moves partition by partition on a terminal."""
    with progress_bar() as progress:
        task = progress.add_task("partitions", total=source.partitions)
        for partition in range(source.partitions):
            async for adoption in adoptions(
                source, come_to.packs, first_day=order.first_day, known_at=known_at, partition=partition
            ):
                if come_to.take(adoption):
                    yield adoption
            progress.advance(task)


async def _sent(found: AsyncIterator[Adoption]) -> None:
    from workers.kafka.outside import send
    from workers.settings import settings_or_exit
    from workers.settlement.validate import partition_of

    async def keyed() -> AsyncIterator[tuple[bytes | None, bytes]]:
        async for adoption in found:
            yield adoption.event.psn_no.encode(), adoption.value

    await send(settings_or_exit(), PERSONS, keyed(), partition_of)


def _page(order: AdoptOrder, come_to: _Sum) -> str:
    page = Page()
    page.rule("=")
    page.text(f"政策包追溯采用{'预览' if order.preview else ''}　统筹区 {order.region}")
    page.rule("=")
    for pack in come_to.packs:
        page.term(pack.county or pack.region, f"{pack.name}　{pack.digest}")
    page.term("起始出院日", order.first_day)
    page.term("涉及", f"{come_to.person_years} 个人年度，{come_to.totals.payouts} 张支付单有变动")
    for reason, count in sorted(come_to.refused.items()):
        page.term("拒收", f"{reason}：{count} 个人年度，未发送")
    if come_to.totals.payouts:
        totals_sections(page, come_to.totals)
    if come_to.signals:
        page.section("提示的变动")
        rows = [
            [_STATES[state], SIGNAL_TEXTS[SignalKind(kind)], f"{count}"]
            for (kind, state), count in sorted(come_to.signals.items())
        ]
        page.laid_out(aligned(rows, left=2))
    page.rule("=")
    return str(page)


def _written(order: AdoptOrder, come_to: _Sum) -> dict[str, Any]:
    return {
        "region": order.region,
        "first_day": order.first_day,
        "packs": [{"region": pack.county or pack.region, "digest": pack.digest} for pack in come_to.packs],
        "sent": not order.preview,
        "person_years": come_to.person_years,
        "totals": come_to.totals.written(),
        "signals": [
            {"kind": kind, "state": state, "count": count} for (kind, state), count in sorted(come_to.signals.items())
        ],
        "refused": {reason.value: count for reason, count in sorted(come_to.refused.items())},
    }
