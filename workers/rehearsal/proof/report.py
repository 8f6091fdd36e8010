"""What a proof prints: progress for people on standard error, the table on standard output."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from workers.rehearsal.proof.campaign import Outcome
from workers.rehearsal.proof.plan import Fault, Plan

VIOLATIONS_SHOWN = 30
LINE_EVERY = 15
"""Where nobody watches, only every so manieth word about the progress is printed."""


class Progress:
    """One line that is written over on a terminal, and now and then a line elsewhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("") if self._console.is_terminal else None
        self._told = 0

    def __enter__(self) -> "Progress":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._status is not None:
            self._status.stop()

    def tell(self, words: str) -> None:
        """Where it is now."""
        if self._status is not None:
            self._status.update(words)
        elif self._told % LINE_EVERY == 0:
            self.say(words)
        self._told += 1

    def say(self, words: str) -> None:
        """Something that stays."""
        self._console.print(words, highlight=False, markup=False, soft_wrap=True)


def unmet(outcome: Outcome) -> list[str]:
    """Floors that were not reached, in words."""
    return [
        f"{fault}: {outcome.done[fault]} of at least {floor}"
        for fault, floor in outcome.floors.items()
        if outcome.done[fault] < floor
    ]


def print_report(plan: Plan, outcome: Outcome, counts: Counter[str], violations: list[str], seconds: float) -> None:
    """The table: faults with their floors, what was settled, what was compared, what is wrong."""
    console = Console(highlight=False, width=110)
    faults = Table("fault", "done", "floor", title=f"Proof, seed {plan.seed}, {plan.minutes:g} minutes")
    for column in faults.columns[1:]:
        column.justify = "right"
    for fault in Fault:
        done, floor = outcome.done[fault], outcome.floors[fault]
        faults.add_row(fault, f"{done}", f"{floor}", style="red" if done < floor else None)
    faults.add_row("all", f"{sum(outcome.done.values())}", f"{sum(outcome.floors.values())}", style="bold")
    console.print(faults)

    figures = Table("what", "count", title="What happened and what was compared")
    figures.columns[1].justify = "right"
    figures.add_row("events sent (again, as no acknowledgement came)", f"{outcome.sent:,} ({outcome.again:,})")
    figures.add_row("settlements", f"{counts['payouts: settlement']:,}")
    for group in (outcome.ways, outcome.heard, counts):
        figures.add_section()
        for name, count in sorted(group.items()):
            shown = f"{count / 100:,.2f}" if name == "fen moved" else f"{count:,}"
            figures.add_row(name.replace("fen moved", "yuan moved, in either direction"), shown)
    console.print(figures)
    for violation in violations[:VIOLATIONS_SHOWN]:
        console.print(f"violation: {violation}", style="red", markup=False, soft_wrap=True)
    if len(violations) > VIOLATIONS_SHOWN:
        console.print(f"… and {len(violations) - VIOLATIONS_SHOWN:,} more")
    for words in unmet(outcome):
        console.print(f"floor not met: {words}", style="red", markup=False)
    console.print(
        f"settlements {counts['payouts: settlement']:,}, faults {sum(outcome.done.values())}, "
        f"violations {len(violations):,}, {seconds / 60:.1f} minutes in all"
    )
