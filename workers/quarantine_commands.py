"""`yidan quarantine`: what was refused and is open, one of them in full, and sending them again."""

import difflib
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from workers.cli_options import TextfileOption

if TYPE_CHECKING:
    from contracts.quarantine import RecordId
    from workers.desk.quarantine import Wanted

T = TypeVar("T")

quarantine_app = typer.Typer(no_args_is_help=True, help="Refused records: what is open, why, and sending it again.")

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="TOPIC/PARTITION/OFFSET, or discharges/3/117.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="TOPIC/PARTITION/OFFSET.")]
ReasonOption = Annotated[list[str] | None, typer.Option("--reason", metavar="R", help="Refused for this; repeatable.")]
TopicOption = Annotated[list[str] | None, typer.Option("--topic", metavar="T", help="Of this topic; repeatable.")]
SinceOption = Annotated[
    str | None, typer.Option(metavar="TIME", help="Refused since: 2h, 7d, 2021-03-02, or a time with its offset.")
]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="Refused before then; a day counts to its end.")]
LimitOption = Annotated[int | None, typer.Option(min=1, metavar="N", help="The N oldest.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON, for machines.")]


@quarantine_app.command("list")
def quarantine_list(
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    only_open: Annotated[
        bool, typer.Option("--open/--all", help="Only what was not sent again, or everything.")
    ] = True,
    as_json: JsonOption = False,
    limit: LimitOption = None,
    textfile: TextfileOption = None,
) -> None:
    """List refused records, the oldest first; how many are open and since when, on standard error."""
    from workers.refused_commands import list_refused

    wanted = _wanted(None, reason, topic, since, until)
    raise typer.Exit(list_refused(wanted, only_open=only_open, as_json=as_json, limit=limit, textfile=textfile))


@quarantine_app.command("show")
def quarantine_show(record: IdArgument, as_json: JsonOption = False) -> None:
    """Show one refused record: why, the mend, the original, its replays, and what it would come to now."""
    from workers.refused_commands import show_refused

    raise typer.Exit(show_refused(_record(record), as_json=as_json))


@quarantine_app.command("replay")
def quarantine_replay(
    ids: IdsArgument = None,
    reason: ReasonOption = None,
    topic: TopicOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Whatever is open.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what each would come to; send nothing.")] = False,
    limit: LimitOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[str, typer.Option(metavar="WORD", help="Who does it: a word that is kept, no name.")] = "operator",
) -> None:
    """Send the originals of open records again, as they came, each once, in the order of their refusal.

    Exit 65 when some could not be sent.
    """
    from workers.desk.quarantine import Wanted

    wanted = _wanted(ids, reason, topic, since, until)
    if wanted.anything and not everything:
        raise typer.BadParameter("name records, say which (--reason, --topic, --since, --until), or say --all")
    if wanted.ids and wanted != Wanted(wanted.ids):
        raise typer.BadParameter("name records or say which, not both")
    _check_word(by)
    if not dry_run and not yes and not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: say --yes", param_hint="--yes")

    from workers.replay_commands import replay_refused, try_refused

    raise typer.Exit(try_refused(wanted, limit) if dry_run else replay_refused(wanted, limit, by=by, asks=not yes))


# ── what was asked for ────────────────────────────────────────────────────────────────────────────────────────


def _wanted(
    ids: list[str] | None, reasons: list[str] | None, topics: list[str] | None, since: str | None, until: str | None
) -> "Wanted":
    from workers.desk.quarantine import Wanted
    from workers.desk.quarantine_page import read_time
    from workers.refused_commands import now_ms

    now = now_ms()
    return Wanted(
        frozenset(map(_record, ids or ())),
        frozenset(map(_reason, reasons or ())),
        frozenset(map(_topic, topics or ())),
        None if since is None else _read(lambda text: read_time(text, now), since, "--since"),
        None if until is None else _read(lambda text: read_time(text, now, ends=True), until, "--until"),
    )


def _record(text: str) -> "RecordId":
    from contracts.quarantine import RecordId

    return _read(RecordId.read, text, "ID")


def _reason(text: str) -> str:
    from contracts.vocabulary import Refusal

    if text not in set(Refusal):
        close = difflib.get_close_matches(text, list(Refusal), 1)
        meant = f"; did you mean {close[0]}?" if close else ": see x-refusals in contracts/schemas/asyncapi.json"
        raise typer.BadParameter(f"{text} is no reason of refusal{meant}", param_hint="--reason")
    return text


def _topic(text: str) -> str:
    from contracts.quarantine import topic_named
    from contracts.topics import INPUTS

    name = topic_named(text)
    if name is None:
        raise typer.BadParameter(f"{text} is none of {', '.join(INPUTS)}", param_hint="--topic")
    return name


def _read(read: Callable[[str], T], text: str, hint: str) -> T:
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


def _check_word(by: str) -> None:
    from pydantic import TypeAdapter, ValidationError

    from contracts.fields import Identifier, holds_card_number

    try:
        TypeAdapter(Identifier).validate_python(by)
        fits = not holds_card_number(by)
    except ValidationError:
        fits = False
    if not fits:
        raise typer.BadParameter("a word of letters and digits that stands for the operator", param_hint="--by")
