"""The few kinds of panels, each in the one way it is used here: colours, legends, thresholds, links."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, statetimeline, table
from grafana_foundation_sdk.builders import timeseries as lines
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from ops.grafana.boards.ask import promql

SOURCE: Final = words.DataSourceRef(type_val="prometheus", uid="${datasource}")

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"

Asked = Sequence[tuple[str, str]]
"""Expressions with what their series are called: a legend with `{{label}}`, or a word."""
Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first has no value."""
Panel = Any
"""A builder of the SDK's; its kinds share no base that knows title and place."""

GOOD: Final[Steps] = ((None, GREEN), (1, RED))
"""Nothing may be there: one is a fault."""
PLAIN: Final[Steps] = ((None, BLUE),)
"""A figure without an opinion."""


def verdict(
    width: int, title: str, tells: str, expression: str, *, good: str, bad: str, runbook: str, to: str = ""
) -> Panel:
    """A word, green at 0 and red from 1 on: what somebody reads first who has just been woken."""
    mappings = [
        models.ValueMap(options={"0": models.ValueMappingResult(text=good, color=GREEN, index=0)}),
        models.RangeMap(
            options=models.DashboardRangeMapOptions(
                from_val=0.000001, to=1e12, result=models.ValueMappingResult(text=bad, color=RED, index=1)
            )
        ),
    ]
    panel = figure(width, title, tells, expression, unit="none", steps=GOOD, runbook=runbook, to=to)
    return panel.mappings(mappings).graph_mode(words.BigValueGraphMode.NONE)


def figure(
    width: int,
    title: str,
    tells: str,
    expression: str,
    *,
    unit: str,
    steps: Steps = PLAIN,
    decimals: int | None = None,
    runbook: str = "",
    to: str = "",
    called: str = "",
    spark: bool = True,
) -> Panel:
    """One number (or one a series, where `called` names a label) on a coloured ground."""
    panel = (
        stat.Panel()
        .color_mode(words.BigValueColorMode.BACKGROUND if steps is not PLAIN else words.BigValueColorMode.VALUE)
        .graph_mode(words.BigValueGraphMode.AREA if spark else words.BigValueGraphMode.NONE)
        .text_mode(words.BigValueTextMode.VALUE_AND_NAME if called else words.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .unit(unit)
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )
    if decimals is not None:
        panel.decimals(decimals)
    return _told(panel.span(width), title, tells, [(expression, called)], runbook, to)


def series(
    width: int,
    title: str,
    tells: str,
    asked: Asked,
    *,
    unit: str,
    stacked: bool = False,
    limit: float | None = None,
    top: float | None = None,
    whole_numbers: bool = False,
    bars: bool = False,
    runbook: str = "",
    to: str = "",
) -> Panel:
    """Lines over time, the largest named first; `limit` draws the line that should not be crossed."""
    legend = common.VizLegendOptions().show_legend(True).placement(words.LegendPlacement.BOTTOM)
    panel = (
        lines.Panel()
        .unit(unit)
        .min(0)
        .line_width(1)
        .fill_opacity(60 if bars else 35 if stacked else 8)
        .draw_style(words.GraphDrawStyle.BARS if bars else words.GraphDrawStyle.LINE)
        .show_points(words.VisibilityMode.NEVER)
        .tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.MULTI).sort(words.SortOrder.DESCENDING))
        .legend(legend.display_mode(words.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"]))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(words.StackingMode.NORMAL).group("A"))
    if limit is not None:
        panel.thresholds(_thresholds(((None, "transparent"), (limit, RED))))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(words.GraphThresholdsStyleMode.DASHED))
    if top is not None:
        panel.max(top)
    if whole_numbers:
        panel.decimals(0)
    return _told(panel.span(width), title, tells, asked, runbook, to)


def gauges(
    width: int,
    title: str,
    tells: str,
    asked: Asked,
    *,
    unit: str,
    steps: Steps,
    top: float | None = None,
    decimals: int | None = None,
    runbook: str = "",
    to: str = "",
) -> Panel:
    """A bar for each series, for shares that have a target."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(0)
        .orientation(words.VizOrientation.HORIZONTAL)
        .display_mode(words.BarGaugeDisplayMode.BASIC)
        .value_mode(words.BarGaugeValueMode.TEXT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .thresholds(_thresholds(steps))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )
    if top is not None:
        panel.max(top)
    if decimals is not None:
        panel.decimals(decimals)
    return _told(panel.span(width), title, tells, asked, runbook, to, instant=True)


def states(
    width: int,
    title: str,
    tells: str,
    asked: Asked,
    *,
    meanings: Mapping[float, tuple[str, str]],
    runbook: str = "",
    to: str = "",
) -> Panel:
    """A band for each series, coloured by what its value means."""
    options = {
        str(int(value)): models.ValueMappingResult(text=text, color=colour, index=place)
        for place, (value, (text, colour)) in enumerate(meanings.items())
    }
    panel = (
        statetimeline.Panel()
        .mappings([models.ValueMap(options=options)])
        .unit("none")
        .show_value(words.VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.85)
        .fill_opacity(75)
        .line_width(0)
        .thresholds(_thresholds(((None, GREY),)))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .legend(common.VizLegendOptions().show_legend(False).display_mode(words.LegendDisplayMode.LIST))
    )
    return _told(panel.span(width), title, tells, asked, runbook, to)


def rows(
    width: int,
    title: str,
    tells: str,
    asked: Asked,
    *,
    columns: Mapping[str, str],
    unit: str = "none",
    decimals: int | None = None,
    sort: str = "",
    runbook: str = "",
    to: str = "",
) -> Panel:
    """A table: a row for each combination of labels, a column for each expression, as it is now.

    `columns` are labels with their headings, in order; labels that it does not name are left out.
    """
    panel = (
        table.Panel()
        .unit(unit)
        .filterable(False)
        .cell_height(words.TableCellHeight.SM)
        .thresholds(_thresholds(((None, GREY),)))
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
    )
    if decimals is not None:
        panel.decimals(decimals)
    named = {f"Value #{_ref(place)}" if len(asked) > 1 else "Value": called for place, (_, called) in enumerate(asked)}
    kept = {label: heading for label, heading in (*columns.items(), *named.items()) if heading}
    panel.transformations(
        [
            models.DataTransformerConfig(id_val="merge", options={}),
            models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": [*kept]}}),
            models.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": {},
                    "indexByName": {name: place for place, name in enumerate(kept)},
                    "renameByName": dict(kept),
                },
            ),
        ]
    )
    if sort:
        panel.sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
    return _told(
        panel.span(width),
        title,
        tells,
        asked,
        runbook,
        to,
        instant=True,
        format_=prometheus_models.PromQueryFormat.TABLE,
    )


# ── what all have ─────────────────────────────────────────────────────────────────────────────────────────────


def _told(
    panel: Panel,
    title: str,
    tells: str,
    asked: Asked,
    runbook: str,
    to: str,
    *,
    instant: bool = False,
    format_: prometheus_models.PromQueryFormat = prometheus_models.PromQueryFormat.TIME_SERIES,
) -> Panel:
    description, links = tells, []
    if runbook:
        description += f"\n\nRunbook: [{runbook}](${{runbook}}#{runbook.lower()})"
        links.append(_link("运行手册 Runbook", f"${{runbook}}#{runbook.lower()}", new=True))
    if to:
        links.append(_link("详情 Details", f"/d/{to}?${{__url_time_range}}&${{datasource:queryparam}}", new=False))
    panel.title(title).description(description).datasource(SOURCE).links(links)
    for place, (expression, called) in enumerate(asked):
        query = prometheus.Dataquery().expr(promql(expression)).ref_id(_ref(place)).format(format_)
        query.legend_format(called or "__auto").datasource(SOURCE)
        panel.with_target(query.instant() if instant else query.range())
    return panel


def _link(title: str, url: str, *, new: bool) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).type(models.DashboardLinkType.LINK).url(url).target_blank(new)


def _ref(place: int) -> str:
    return "ABCDEFGHIJ"[place]


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [models.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)
