"""Arguments and options that several commands share, each with one name and one help."""

from pathlib import Path
from typing import Annotated

import typer


def calendar_day(text: str) -> str:
    """A day as it is written in an option."""
    from contracts.fields import parse_day

    try:
        return parse_day(text)
    except ValueError:
        raise typer.BadParameter("write a day of the calendar as YYYY-MM-DD") from None


FileArgument = Annotated[
    typer.FileBinaryRead, typer.Argument(metavar="FILE", help="JSON lines; - for standard input.", show_default=False)
]
BackupArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Gzipped if it ends in .gz.", dir_okay=False)]
PartitionOption = Annotated[list[int] | None, typer.Option(metavar="N", help="Only this one; may be repeated.")]
PacksOption = Annotated[
    Path | None,
    typer.Option("--packs", metavar="DIR", help="Use the packs of this folder.", exists=True, file_okay=False),
]

EventsOption = Annotated[
    Path | None,
    typer.Option("--events", metavar="FILE", help="Ask what this file of events comes to, not the running system."),
]
RegionOption = Annotated[str | None, typer.Option(metavar="R", help="Only this region's ledgers.")]
TextfileOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Also write what was found as metrics, for the node exporter's *.prom.", dir_okay=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="For machines: JSON lines.")]
