"""PromQL with the matchers that every dashboard needs, written once.

In a panel's expression `{@` stands for job and instance as they are chosen above the dashboard, `{@@` for the job alone
(what is said of the whole group is wrong of one worker's share), and `@region` and `@layer` for those variables.
"""

import re
from typing import Final, NamedTuple

JOB: Final = 'job=~"$job"'
BOTH: Final = f'{JOB}, instance=~"$instance"'
OWN: Final = re.compile(r"\b(?:yidan:[a-z0-9_:]+|ALERTS)\b")
"""Series that Prometheus itself makes: recorded ones and alerts. They have no job and no instance."""


def promql(written: str) -> str:
    """An expression as Grafana is given it."""
    for short, meant in (
        ("@region", 'region=~"$region"'),
        ("@layer", 'layer=~"$layer"'),
        ("{@@", "{" + JOB),
        ("{@", "{" + BOTH),
    ):
        written = written.replace(short, meant)
    return " ".join(written.split())


def rate(counter: str, by: str) -> str:
    """How fast a counter grows, by some labels."""
    return f"sum by ({by}) (rate({counter}{{@}}[$__rate_interval]))"


def pace(way: str, by: str, matchers: str = "") -> str:
    """Yuan an hour (36 times fen a second) that move in a way, by some labels: of what moved in the chosen time."""
    money = f"yidan_{way}_fen_total{{@{matchers}}}"
    flow = f"36 * sum by ({by}) (rate({money}[$__rate_interval]))"
    return f"{flow} and sum by ({by}) (increase({money}[$__range])) > 0"


def quantile(share: float, histogram: str, by: str = "") -> str:
    """The value that a share of what was observed stays below, by a label."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels)})"


class Excused(NamedTuple):
    """A rule of Grafana's dashboard linter that a target cannot keep, and which kind of reason it has."""

    rule: str
    why: str


RECORDED: Final = "recorded"
WHOLE: Final = "whole"

WHY: Final = {
    RECORDED: "Recorded series and alerts carry no job and no instance: what they say is said of all workers.",
    WHOLE: "Said of the whole group: the share of the chosen instances would be read as a fault.",
}


def excused(expression: str) -> list[Excused]:
    """What the linter would say of an expression although it is meant so."""
    found = []
    if OWN.search(expression):
        found += [Excused("target-job-rule", RECORDED), Excused("target-instance-rule", RECORDED)]
    if re.search(re.escape(JOB) + r"(?!, instance=)", expression):
        found.append(Excused("target-instance-rule", WHOLE))
    return found
