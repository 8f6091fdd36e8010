"""The commands about a person's year, as they are called: what it holds, what a correction would do, who may apply."""

from pathlib import Path
from typing import Annotated

import typer

from workers.cli_options import (
    EventsOption,
    JsonOption,
    PacksOption,
    PartitionOption,
    RegionOption,
    TextfileOption,
)

app = typer.Typer()
statement_key_app = typer.Typer(no_args_is_help=True, help="The key with which this office signs statements.")
app.add_typer(statement_key_app, name="statement-key")


@app.command()
def reverse(
    setl_id: Annotated[str, typer.Argument(metavar="SETL_ID")],
    psn_no: Annotated[str, typer.Option("--psn-no", metavar="PSN_NO", help="Whose settlement it is.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would change; send nothing.")] = False,
    unseen: Annotated[bool, typer.Option("--unseen", help="Send it even if no such settlement has come yet.")] = False,
    as_json: JsonOption = False,
    events: EventsOption = None,
    packs: PacksOption = None,
    msgid: Annotated[str | None, typer.Option(help="The message id to send it under; else a new one.")] = None,
    setl_time: Annotated[str | None, typer.Option(help="When it happened, with its offset; else now.")] = None,
) -> None:
    """Reverse a settlement: show which settlements change, by how much and for whom, then send the reversal.

    Exit 65 where it would be refused; then nothing is sent. With --events the event is printed, not sent.
    """
    from workers.correction_commands import ReverseOrder, reverse_settlement

    order = ReverseOrder(setl_id, psn_no, preview, unseen, as_json, events, packs, msgid, setl_time)
    raise typer.Exit(reverse_settlement(order))


@app.command()
def year(
    psn_no: Annotated[str, typer.Argument(metavar="PSN_NO", help="The platform's person number.")],
    number: Annotated[int, typer.Argument(metavar="YEAR", min=2000, max=2199, help="The benefit year.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="With --export: write the statement here.")
    ] = None,
    export: Annotated[
        bool, typer.Option("--export", help="Write a signed statement that another region can carry in.")
    ] = False,
    region: Annotated[str | None, typer.Option(metavar="REGION", help="Only this region's ledger.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object in place of text.")] = False,
    on: Annotated[str | None, typer.Option(metavar="DAY", help="Day for which the next yuan is told.")] = None,
    events: EventsOption = None,
    packs: PacksOption = None,
) -> None:
    """A person's year: what was settled and corrected, where each layer stands, what the next yuan would be paid.

    With --export, the same as a signed statement, to FILE or to standard output.
    """
    from workers.statement_commands import export_year, tell_year

    if export and as_json:
        raise typer.BadParameter("a statement has one form: leave --json out", param_hint="--export")
    if export:
        raise typer.Exit(export_year(psn_no, number, region=region, on=on, file=file, events=events, packs=packs))
    if file is not None:
        raise typer.BadParameter("only a statement is written to a file: add --export", param_hint="FILE")
    raise typer.Exit(tell_year(psn_no, number, region=region, on=on, as_json=as_json, events=events, packs=packs))


@app.command("carry-in")
def carry_in(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE", help="A statement of `yidan year --export`; - for standard input."),
    ],
    psn_no: Annotated[str, typer.Option(metavar="PSN_NO", help="The person's number here.")],
    insuplc_admdvs: Annotated[str, typer.Option(metavar="REGION", help="Where the person is insured from here on.")],
    layer: Annotated[
        list[str] | None,
        typer.Option(metavar="FROM=TO", help="A layer that is another one here; FROM=- leaves it out."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would change, and send nothing.")] = False,
    events: EventsOption = None,
    packs: PacksOption = None,
) -> None:
    """Begin a person's year with the balances of a statement from another region, if a trusted office signed it."""
    from workers.statement_commands import carry_in_statement

    raise typer.Exit(
        carry_in_statement(
            file,
            psn_no=psn_no,
            insuplc_admdvs=insuplc_admdvs,
            layers=layer or (),
            dry_run=dry_run,
            events=events,
            packs=packs,
        )
    )


@statement_key_app.command("new")
def statement_key_new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="For the private key; FILE.pub is its public key.")],
) -> None:
    """Make a key pair for signing statements; nothing is overwritten."""
    from workers.statement_commands import make_key

    raise typer.Exit(make_key(file))


@app.command()
def audit(
    psn_no: Annotated[str | None, typer.Argument(metavar="PSN_NO", show_default=False)] = None,
    year: Annotated[int | None, typer.Argument(metavar="YEAR", show_default=False)] = None,
    order: Annotated[bool, typer.Option("--order", help="Arrival against the order of discharge.")] = False,
    partition: PartitionOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
    events: EventsOption = None,
    packs: PacksOption = None,
    textfile: TextfileOption = None,
) -> None:
    """Fold all ledgers again; compare journal, Redis, payouts. Workers may go on. Exit 1 where something differs.

    With --order: what a year would have paid, had all arrived in order of discharge, and why that differs.
    """
    from workers.audit_commands import audit_here
    from workers.correction_commands import AUDIT_USAGE, audit_order
    from workers.exits import Exit

    if not order and psn_no is None:
        raise typer.Exit(audit_here(partition or [], textfile))
    if not order or psn_no is None or year is None:
        typer.echo(AUDIT_USAGE, err=True)
        raise typer.Exit(Exit.USAGE)
    raise typer.Exit(audit_order(psn_no, year, region=region, as_json=as_json, events=events, packs=packs))


@app.command()
def pending(
    year: Annotated[
        int | None, typer.Argument(metavar="YEAR", min=2000, max=2199, help="Last year, if not given.")
    ] = None,
    region: RegionOption = None,
    by: Annotated[
        str | None, typer.Option(metavar="DAY", help="Who had not applied by then; 1 May of the next year.")
    ] = None,
    as_json: JsonOption = False,
    events: EventsOption = None,
    packs: PacksOption = None,
) -> None:
    """Who could be paid on application for a year and has not applied, the highest amounts first."""
    from workers.correction_commands import list_pending

    raise typer.Exit(list_pending(year, region=region, by=by, as_json=as_json, events=events, packs=packs))
