"""What every dashboard has: variables, annotations, links to the others, and panels in lines of 24."""

import json
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from grafana_foundation_sdk.builders import dashboard, prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from ops.grafana.boards.ask import Excused, excused, promql
from ops.grafana.boards.panels import SOURCE, Panel

RUNBOOK: Final = "https://runbook.invalid/ops/runbook.md"
"""Where an installation has put ops/runbook.md; `make dashboards RUNBOOK=https://…` writes it in."""

WIDTH: Final = 24
TAG: Final = "yidan"

ASKED: Final = '{__name__=~"yidan_build_info|yidan_audit_drift|redis_up"}'
"""A series of each job that a panel may ask: workers, operate, what commands have found, the store."""


class Line(NamedTuple):
    """Panels side by side, of one height."""

    height: int
    panels: Sequence[Panel]


class Board(NamedTuple):
    """A dashboard before it has its frame."""

    uid: str
    title: str
    tells: str
    parts: Sequence[tuple[str, Sequence[Line]]]
    """A heading each and the lines under it; the first has none."""
    variables: Sequence[str] = ()


def framed(board: Board, others: Sequence[Board], runbook: str) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    made = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.tells)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .refresh("10s")
        .time("now-1h", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .week_start("monday")
    )
    for variable in _variables(board.variables, runbook):
        made.with_variable(variable)
    for annotation in _annotations():
        made.annotation(annotation)
    for other in others:
        if other.uid != board.uid:
            link = dashboard.DashboardLink(other.title).type(models.DashboardLinkType.LINK)
            made.link(link.url(f"/d/{other.uid}").keep_time(True).include_vars(True).tooltip(other.tells))
    made.link(
        dashboard.DashboardLink("运行手册 Runbook")
        .type(models.DashboardLinkType.LINK)
        .url("${runbook}")
        .icon("doc")
        .target_blank(True)
    )
    _place(made, board)
    plain: dict[str, Any] = json.loads(JSONEncoder(sort_keys=True).encode(made.build()))
    return plain


def _place(made: dashboard.Dashboard, board: Board) -> None:
    """Puts the parts below each other, everything with a number of its own."""
    down, number = 0, 0
    for heading, lines in board.parts:
        if heading:
            number += 1
            made.with_row(
                dashboard.Row(heading).id(number).grid_pos(models.GridPos(h=1, w=WIDTH, x=0, y=down)).collapsed(False)
            )
            down += 1
        for line in lines:
            across = 0
            for panel in line.panels:
                number += 1
                width = panel.build().grid_pos.w
                made.with_panel(panel.id(number).grid_pos(models.GridPos(h=line.height, w=width, x=across, y=down)))
                across += width
            if across != WIDTH:
                raise ValueError(f"{board.title}, {heading}: a line of {across}, not {WIDTH}")
            down += line.height


def _variables(more: Sequence[str], runbook: str) -> list[Any]:
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    return [
        source.current(models.VariableOption(text="Prometheus", value="prometheus")),
        _chosen("job", "Job", f"label_values({ASKED}, job)"),
        _chosen("instance", "Instance", f'label_values({ASKED[:-1]}, job=~"$job"}}, instance)'),
        *(_chosen(name, *MORE[name]) for name in more),
        dashboard.TextBoxVariable("runbook").label("运行手册 Runbook").default_value(runbook),
    ]


MORE: Final = {
    "region": ("统筹区 Region", 'label_values(yidan_pack_info{job=~"$job"}, region)'),
    "layer": ("待遇层 Layer", 'label_values(yidan_layer_settlements_total{job=~"$job", region=~"$region"}, layer)'),
}


def _chosen(name: str, label: str, query: str) -> Any:
    """Any number of a label's values, all of them at first, asked for again whenever the time changes."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(query)
        .datasource(SOURCE)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(models.VariableOption(text=["All"], value=["$__all"]))
    )


def _annotations() -> list[Any]:
    """What explains a step in a curve: a process that began, a policy pack that was not there before."""
    deploys = "1000 * process_start_time_seconds{@} * on (job, instance) group_left (version) yidan_build_info{@}"
    packs = (
        "group by (region, digest) (yidan_pack_info{@@})"
        " unless group by (region, digest) (yidan_pack_info{@@} offset $__rate_interval)"
    )
    return [
        _annotation("部署 Deploys", deploys, "blue", "部署 {{version}}", "{{job}} {{instance}} 启动 started")
        .tag_keys("version")
        .use_value_for_time(True),
        _annotation(
            "政策包 Pack changes", packs, "orange", "政策包 {{region}}", "{{digest}} 开始使用 in use from here"
        ).tag_keys("region"),
    ]


def _annotation(name: str, expression: str, colour: str, title: str, text: str) -> dashboard.AnnotationQuery:
    made = dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).hide(False).icon_color(colour)
    asked = prometheus.Dataquery().expr(promql(expression)).ref_id("Anno").range()
    return made.target(asked).title_format(title).text_format(text)


def excuses(board: Board) -> dict[Excused, list[str]]:
    """The titles of the panels that a rule of the linter cannot be asked of, by rule and reason."""
    found: dict[Excused, list[str]] = {}
    for _, lines in board.parts:
        for line in lines:
            for panel in line.panels:
                built = panel.build()
                for target in built.targets or ():
                    for each in excused(target.expr):
                        titles = found.setdefault(each, [])
                        titles += [built.title] * (built.title not in titles)
    return found
