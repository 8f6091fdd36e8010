"""The `yidan` command. Data goes to standard output, everything for people to standard error."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from workers.cli_options import (
    BackupArgument,
    EventsOption,
    FileArgument,
    JsonOption,
    PacksOption,
    PartitionOption,
    calendar_day,
)
from workers.cli_person import app as person_app
from workers.cli_statements import statements_app
from workers.exits import Exit
from workers.quarantine_commands import quarantine_app

app = typer.Typer(
    name="yidan",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    help="一单制结算：one combined payout for every discharge, layer by layer, exactly once.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
packs_app = typer.Typer(no_args_is_help=True, help="Policy packs: list, check, print for signature.")
topics_app = typer.Typer(no_args_is_help=True, help="The topics: create or check them.")
journal_app = typer.Typer(no_args_is_help=True, help="The journal as a file: back it up, restore it.")
contracts_app = typer.Typer(no_args_is_help=True, help="JSON Schemas and AsyncAPI: generate or check for drift.")
app.add_typer(packs_app, name="packs")
app.add_typer(topics_app, name="topics")
app.add_typer(journal_app, name="journal")
app.add_typer(contracts_app, name="contracts")
config_app = typer.Typer(no_args_is_help=True, help="Settings as a worker would read them.")
app.add_typer(config_app, name="config")
app.add_typer(person_app)
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(statements_app, name="statements")


def main() -> None:
    """Run the command line.

    An error that no command has foreseen is a fault of ours and ends with 70. With the interpreter's own 1 it would be
    taken for the answer that a check has failed.
    """
    try:
        app()
    except Exception:  # noqa: BLE001 - whatever it is, it is shown, and the exit code says what it means
        sys.excepthook(*sys.exc_info())
        raise SystemExit(Exit.FAULT_OF_OURS) from None


@app.command()
def settle(
    file: FileArgument,
    packs: PacksOption = None,
    quarantine: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write refused events here, not to standard error.")
    ] = None,
    signals: Annotated[Path | None, typer.Option(metavar="FILE", help="Write signals here.")] = None,
) -> None:
    """Settle a file of events without a broker: exactly what the worker would emit, in order.

    Exit 0 when no event was refused, 65 when some were.
    """
    from workers.offline_commands import settle_file

    raise typer.Exit(settle_file(file, packs, quarantine, signals))


@app.command()
def explain(file: FileArgument, packs: PacksOption = None) -> None:
    """Print each payout of a file as a bill in Chinese."""
    from workers.offline_commands import explain_file

    raise typer.Exit(explain_file(file, packs))


@app.command()
def generate(
    settlements: Annotated[int, typer.Option(min=0, help="How many settlements; repeats and reversals come on top.")],
    persons: Annotated[int, typer.Option(min=1, help="How many persons at most.")],
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    to_kafka: Annotated[
        bool, typer.Option("--to-kafka", help="Send to the discharges topic (YIDAN_… settings).")
    ] = False,
    broken: Annotated[bool, typer.Option(help="Mix in events that must be refused.")] = True,
) -> None:
    """A synthetic county of realistic events, as JSON lines or straight into Kafka."""
    from workers.offline_commands import generate_county

    raise typer.Exit(generate_county(settlements, persons, seed, to_kafka=to_kafka, broken=broken))


@app.command()
def work() -> None:
    """The settlement worker, against any Kafka and Redis (YIDAN_… settings). SIGTERM drains and exits 0."""
    from workers.online_commands import work_until_told

    raise typer.Exit(work_until_told())


@app.command()
def rebuild(partition: PartitionOption = None) -> None:
    """Write Redis anew from the journal, while the workers go on; says how many ledgers a second."""
    from workers.audit_commands import rebuild_here

    raise typer.Exit(rebuild_here(partition or []))


@app.command()
def operate(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Derive every view from the payouts again.")] = False,
) -> None:
    """Statistics, clearing and reconciliation from committed payouts, as JSON pages. SIGTERM ends it with 0."""
    from workers.online_commands import operate_until_told

    raise typer.Exit(operate_until_told(rebuild=rebuild))


@app.command()
def run(
    once: Annotated[bool, typer.Option("--once", help="End when the sample is settled; print the totals.")] = False,
    settlements: Annotated[int, typer.Option(min=1, help="Settlements in the sample.")] = 20_000,
    persons: Annotated[int, typer.Option(min=1, help="Persons in the sample.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=8, help="Settlement workers.")] = 1,
    kafka_port: Annotated[int | None, typer.Option(help="Demand this port; else a free one is found.")] = None,
    redis_port: Annotated[int | None, typer.Option(help="Demand this port; else a free one is found.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Demand this port; else a free one is found.")] = None,
    real: Annotated[bool, typer.Option("--real", help="Apache Kafka and Redis, not the wheels.")] = False,
) -> None:
    """The whole thing on this machine: broker, store, worker, a synthetic county, payouts live on the terminal."""
    from workers.rehearsal.show import Show, show

    plan = Show(once, settlements, persons, seed, workers, kafka_port, redis_port, metrics_port, real)
    raise typer.Exit(show(plan))


@app.command()
def rehearse(
    seed: Annotated[int, typer.Option(min=0, help="The first seed; each is a world of its own.")] = 1,
    count: Annotated[int, typer.Option(min=1, help="How many seeds, one after another.")] = 1_000,
    trace: Annotated[
        bool, typer.Option("--trace", help="Print everything that happens, also in a seed that passes.")
    ] = False,
    floor: Annotated[
        int, typer.Option(min=0, help="Print the crash points, and fail if one was hit less often than this.")
    ] = 0,
) -> None:
    """The worker that ships on a broker and a store in memory, in virtual time, with everything going wrong.

    Exit 1 where a seed fails; it says how to run that seed again.
    """
    from workers.rehearsal.simulation.rehearse import Plan
    from workers.rehearsal.simulation.rehearse import rehearse as run_seeds

    plan = Plan(seed, count, trace, floor)
    raise typer.Exit(run_seeds(plan, typer.echo, lambda text: typer.echo(text, err=True)))


@packs_app.command("list")
def packs_list(packs: PacksOption = None) -> None:
    """List the packs: region, name, layers with their first days, readings, digest."""
    from workers.offline_commands import list_packs

    raise typer.Exit(list_packs(packs))


@packs_app.command("check")
def packs_check(
    directory: Annotated[Path | None, typer.Argument(metavar="[DIR]", exists=True, file_okay=False)] = None,
    packs: PacksOption = None,
) -> None:
    """Refuse what the format forbids, naming file, key and the fix; run every golden case."""
    from workers.offline_commands import check_packs

    raise typer.Exit(check_packs(packs or directory))


@packs_app.command("card")
def packs_card(region: Annotated[str, typer.Argument(metavar="REGION")], packs: PacksOption = None) -> None:
    """Print a region's pack as a one-page table in Chinese that an officer can sign."""
    from workers.offline_commands import print_card

    raise typer.Exit(print_card(region, packs))


@packs_app.command("adopt")
def packs_adopt(
    region: Annotated[str, typer.Argument(metavar="REGION")],
    first_day: Annotated[
        str, typer.Option("--from", parser=calendar_day, metavar="DATE", help="First day of discharge.")
    ],
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would move; send nothing.")] = False,
    as_json: JsonOption = False,
    events: EventsOption = None,
    packs: PacksOption = None,
    settled_under: Annotated[
        Path | None,
        typer.Option(
            "--settled-under", metavar="DIR", help="With --events: the packs in use then.", exists=True, file_okay=False
        ),
    ] = None,
) -> None:
    """Price past discharges again by the pack in use: top-ups and clawbacks with the cause pack_changed.

    Entries otherwise keep the text that they were decided under. Every worker must have loaded the pack. Exit 65 where
    some person-years would be refused; those are not sent.
    """
    from workers.adoption_commands import AdoptOrder, adopt_pack

    raise typer.Exit(adopt_pack(AdoptOrder(region, first_day, preview, as_json, events, packs, settled_under)))


@topics_app.command("apply")
def topics_apply() -> None:
    """Create the topics that are missing, and give all of them the settings that the promises need."""
    from workers.online_commands import apply

    raise typer.Exit(apply())


@topics_app.command("check")
def topics_check() -> None:
    """Say what differs from what the promises need."""
    from workers.online_commands import check

    raise typer.Exit(check())


@journal_app.command("backup")
def journal_backup(file: BackupArgument) -> None:
    """Write the whole journal to a file that is sealed by a hash; workers may go on. It holds personal data."""
    from workers.journal_commands import backup_here

    raise typer.Exit(backup_here(file))


@journal_app.command("restore")
def journal_restore(file: BackupArgument) -> None:
    """Write a backup to an empty journal. Refuses where something was consumed, and paid, after it was made."""
    from workers.journal_commands import restore_here

    raise typer.Exit(restore_here(file))


@contracts_app.command("build")
def contracts_build() -> None:
    """Write contracts/schemas/ from the models."""
    from workers.offline_commands import build_contracts

    raise typer.Exit(build_contracts())


@contracts_app.command("check")
def contracts_check() -> None:
    """Say where contracts/schemas/ differs from the models."""
    from workers.offline_commands import check_contracts

    raise typer.Exit(check_contracts())


@config_app.command("show")
def config_show() -> None:
    """Print every setting as a worker would read it, secrets masked. Exit 78 with every fault if they cannot work."""
    from workers.online_commands import show_settings

    raise typer.Exit(show_settings())
