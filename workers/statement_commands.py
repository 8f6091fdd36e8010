"""The commands about a person's year: told, signed for another region, carried in from one."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson
import typer
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from contracts.fields import parse_day
from contracts.topics import PERSONS
from contracts.vocabulary import Day
from contracts.year_sheet import YearSheet
from workers.adjudication.explain_year import explain_year
from workers.adjudication.refuse import RefusedError
from workers.correction_commands import BEIJING
from workers.desk.carrying import LEFT_OUT, carried_in, carrying_page
from workers.desk.signing import KeyUnfit, SigningKey, new_key, offices, signing_key
from workers.desk.source import Source, home_of
from workers.desk.statement import STATEMENT_BYTES_MAX, StatementRefused, believed, issue, years_as_of
from workers.desk.trial import try_event
from workers.desk.year_sheet import year_sheet
from workers.desk_commands import Answered, asking
from workers.exits import Exit
from workers.offline_commands import complain
from workers.settings import Settings, settings_or_exit
from workers.settlement.ports import Watermark

# ── the year ──────────────────────────────────────────────────────────────────────────────────────────────────


def tell_year(
    psn_no: str,
    number: int,
    *,
    region: str | None,
    on: str | None,
    as_json: bool,
    events: Path | None,
    packs: Path | None,
) -> Exit:
    """Print a person's year in Chinese, or as one JSON object."""

    async def tell(source: Source) -> Exit:
        sheet, _ = await _sheet(source, psn_no, number, region, on)
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(sheet, option=orjson.OPT_APPEND_NEWLINE))
            sys.stdout.buffer.flush()
        else:
            typer.echo(explain_year(sheet), nl=False)
        return Exit.OK

    return asking(tell, events=events, packs=packs)


def export_year(
    psn_no: str,
    number: int,
    *,
    region: str | None,
    on: str | None,
    file: Path | None,
    events: Path | None,
    packs: Path | None,
) -> Exit:
    """Write the signed statement of one region's year to a file or to standard output."""
    key = _own_key(settings_or_exit())
    if key is None:
        return Exit.CONFIGURATION

    async def export(source: Source) -> Exit:
        sheet, as_of = await _sheet(source, psn_no, number, region, on)
        if len(sheet["regions"]) > 1:
            there = ", ".join(each["region"] for each in sheet["regions"])
            raise Answered(Exit.USAGE, f"--region: a statement is of one region; the year has ledgers in {there}")
        text = issue(
            sheet["regions"][0],
            psn_no=psn_no,
            year=number,
            as_of=None if as_of is None else (home_of(source, psn_no), as_of),
            issued_at=datetime.now(BEIJING).isoformat(timespec="milliseconds"),
            key=key,
        )
        _write(file, text)
        return Exit.OK

    return asking(export, events=events, packs=packs)


async def _sheet(
    source: Source, psn_no: str, number: int, region: str | None, on: str | None
) -> tuple[YearSheet, Watermark | None]:
    """The year of a person that is known, and the batch of the journal as of which it is so."""
    day = _day(on, number)
    try:
        years, as_of = await years_as_of(source, psn_no, number)
        if not years:
            raise Answered(Exit.BAD_DATA, f"there is no ledger of {number} for this person")
        if region is not None:
            pack = source.books.packs.for_region(region)
            wanted = region if pack is None else pack.region
            there = ", ".join(year.region for year in years)
            years = [year for year in years if year.region == wanted]
            if not years:
                raise Answered(Exit.BAD_DATA, f"--region: the person's ledgers of {number} are in {there}")
        return year_sheet(source.books, psn_no, number, years, day), as_of
    except RefusedError as refusal:
        raise Answered(Exit.CONFIGURATION, f"{refusal.field}: {refusal.detail}") from refusal


def _day(on: str | None, number: int) -> Day:
    """The day for which the next yuan is asked: as given, else today if it lies in the year, else the year's last."""
    if on is None:
        today = datetime.now(BEIJING).date().isoformat()
        return today if today.startswith(f"{number}-") else f"{number}-12-31"
    try:
        day = parse_day(on)
    except PydanticCustomError as error:
        raise Answered(Exit.USAGE, f"--on: {error.message()}") from error
    if not day.startswith(f"{number}-"):
        raise Answered(Exit.USAGE, f"--on: {day} does not lie in {number}")
    return day


def _write(file: Path | None, text: bytes) -> None:
    if file is None:
        sys.stdout.buffer.write(text)
        sys.stdout.buffer.flush()
        return
    try:
        file.write_bytes(text)
    except OSError as error:
        raise Answered(Exit.USAGE, f"{file}: cannot be written: {error.strerror}") from error


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────


def make_key(file: Path) -> Exit:
    """Make a key pair: FILE for this office alone, FILE.pub for the offices that are to believe it."""
    public_file = file.with_name(f"{file.name}.pub")
    private, public, name = new_key()
    made: list[Path] = []
    try:
        for path, text, mode in ((file, private, 0o600), (public_file, public, 0o644)):
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
                made.append(path)
                out.write(text)
    except OSError as error:
        for path in made:
            path.unlink()
        complain(f"{error.filename}: cannot be made: {error.strerror}; no key was written")
        return Exit.USAGE
    typer.echo(name)
    complain(f"{file}: set YIDAN_STATEMENT_KEY_FILE to it and keep it to this office")
    complain(f"{public_file}: give it to other offices for their YIDAN_STATEMENT_TRUSTED_DIR, named after this office")
    return Exit.OK


def _own_key(settings: Settings) -> SigningKey | None:
    """This office's key, or None after saying what to do."""
    if settings.statement_key_file is None:
        complain("YIDAN_STATEMENT_KEY_FILE: not set; `yidan statement-key new FILE` makes a key, then set it to FILE")
        return None
    try:
        return signing_key(settings.statement_key_file)
    except KeyUnfit as unfit:
        complain(f"YIDAN_STATEMENT_KEY_FILE: {unfit}")
        return None


# ── carrying in ───────────────────────────────────────────────────────────────────────────────────────────────


def carry_in_statement(
    file: BinaryIO,
    *,
    psn_no: str,
    insuplc_admdvs: str,
    layers: Sequence[str],
    dry_run: bool,
    events: Path | None,
    packs: Path | None,
) -> Exit:
    """Believe a statement, show what it would change, and send the event that it comes to.

    With a file of events nothing is sent: the event is standard output's only line, to be appended to such a file, and
    the page goes to standard error without the persons' numbers.
    """
    settings = settings_or_exit()
    if settings.statement_trusted_dir is None:
        complain("YIDAN_STATEMENT_TRUSTED_DIR: not set; set it to a folder with the public keys of the issuing offices")
        return Exit.CONFIGURATION
    try:
        trusted = offices(settings.statement_trusted_dir)
        renamed = _renamed(layers)
        statement, office = believed(file.read(STATEMENT_BYTES_MAX + 2), trusted, datetime.now(BEIJING))
    except KeyUnfit as unfit:
        complain(f"YIDAN_STATEMENT_TRUSTED_DIR: {unfit}")
        return Exit.CONFIGURATION
    except StatementRefused as refused:
        complain(str(refused))
        return Exit.BAD_DATA
    except ValueError as error:
        complain(f"--layer: {error}")
        return Exit.USAGE

    async def carry(source: Source) -> Exit:
        try:
            pack = source.books.pack_for(insuplc_admdvs)
            event = carried_in(statement, pack, psn_no=psn_no, insuplc_admdvs=insuplc_admdvs, renamed=renamed)
        except StatementRefused as refused:
            raise Answered(Exit.BAD_DATA, str(refused)) from refused
        except RefusedError as error:
            raise Answered(Exit.BAD_DATA, f"{error.field}: {error.detail}") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            raise Answered(Exit.USAGE, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        value = event.model_dump_json().encode()
        trial = await try_event(source, value, psn_no=psn_no, type_="carried_in")
        for refusal in trial.refused:
            raise Answered(Exit.BAD_DATA, f"it would be refused, {refusal['reason']}: {refusal['detail']}")
        printed = events is not None and not dry_run
        typer.echo(carrying_page(statement, pack, office, event, trial, named=not printed), nl=False, err=printed)
        if trial.effect in ("stale", "repeated"):
            return _known(trial.effect)
        if printed:
            typer.echo(value.decode())
        elif not dry_run:
            await _send(settings, psn_no, value)
        return Exit.OK

    return asking(carry, events=events, packs=packs)


def _known(effect: str) -> Exit:
    if effect == "repeated":
        complain("this statement was carried in before: nothing is sent")
        return Exit.OK
    complain("a later statement was carried in before: nothing is sent")
    return Exit.BAD_DATA


def _renamed(layers: Sequence[str]) -> dict[str, str]:
    """`FROM=TO` for each layer that is called otherwise here; `FROM=-` leaves it out."""
    renamed: dict[str, str] = {}
    for each in layers:
        name, sign, to = each.partition("=")
        if not name or not sign or not to or name in renamed:
            raise ValueError(f"{each}: write FROM=TO once for a layer, or FROM={LEFT_OUT} to leave it out")
        renamed[name] = to
    return renamed


async def _send(settings: Settings, psn_no: str, value: bytes) -> None:
    from workers.kafka.outside import send
    from workers.settlement.validate import partition_of

    async def one() -> AsyncIterator[tuple[bytes | None, bytes]]:
        yield psn_no.encode(), value

    await send(settings, PERSONS, one(), partition_of)
    complain(f"sent to {PERSONS}")
