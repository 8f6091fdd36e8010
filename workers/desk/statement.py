"""Statements that travel: issued from a person's year, and believed only as an office that is trusted signed them.

Why it is so: `ops/decisions/0013-a-statement-that-travels.md`.
"""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic import ValidationError

from contracts.fields import moment
from contracts.statement import FORMAT, READ_STATEMENT, StatedLayer, Statement, canonical
from contracts.year_sheet import LayerSheet, RegionSheet
from workers.desk.person_year import PersonYear, person_years
from workers.desk.signing import Office, SigningKey
from workers.desk.source import Source, SourceUnfit, home_of
from workers.desk.trial import ATTEMPTS_MAX
from workers.settlement.ports import Watermark

STATEMENT_BYTES_MAX = 256 * 1024
"""More than any statement holds: what is longer is no statement."""


CLOCKS_APART_MAX = timedelta(minutes=5)
"""By how much the clocks of two offices may differ. A statement from the future would stand above every later one."""


class StatementRefused(Exception):
    """A statement that is not believed; the text says why."""


async def years_as_of(source: Source, psn_no: str, number: int) -> tuple[list[PersonYear], Watermark | None]:
    """A person's year, and a batch of the journal as of which it is so.

    The year is read before and after the journal's end is looked at: other persons' batches go on meanwhile, and only
    this year must have stood still. Raises `SourceUnfit`.
    """
    before = await person_years(source, psn_no, number)
    for _ in range(ATTEMPTS_MAX):
        as_of = await source.as_of(home_of(source, psn_no))
        after = await person_years(source, psn_no, number)
        if [(year.person, year.year, year.entries) for year in before] == [
            (year.person, year.year, year.entries) for year in after
        ]:
            return after, as_of
        before = after
    raise SourceUnfit("the person's year moved while it was being read: try again")


def issue(
    sheet: RegionSheet,
    *,
    psn_no: str,
    year: int,
    as_of: tuple[int, Watermark] | None,
    issued_at: str,
    key: SigningKey,
) -> bytes:
    """The signed statement of one region's year, one line. `as_of` is the partition and the last batch counted."""
    unsigned = {
        "type": "year_statement",
        "format": FORMAT,
        "psn_no": psn_no,
        "region": sheet["region"],
        "year": year,
        "layers": [_stated(layer) for layer in sheet["layers"] if layer["mode"] != "reported"],
        "packs": [pack["digest"] for pack in sheet["packs"]],
        "as_of": None
        if as_of is None
        else {"partition": as_of[0], "seq": as_of[1].header.seq, "offset": as_of[1].offset},
        "issued_at": issued_at,
        "key_id": key.key_id,
    }
    signature = b64encode(key.sign(canonical(unsigned))).decode()
    return canonical({**unsigned, "signature": signature}) + b"\n"


def _stated(layer: LayerSheet) -> StatedLayer:
    return {
        "layer": layer["layer"],
        "label": layer["label"],
        "who": layer["who"],
        "base": layer["base"],
        "paid": layer["paid"],
        "deductible": layer["deductible"],
        "deductible_used": layer["deductible_used"],
        "cap": layer["cap"],
        "clauses": layer["clauses"],
        "readings": layer["readings"],
    }


def believed(text: bytes, trusted: Mapping[str, Office], now: datetime) -> tuple[Statement, Office]:
    """A statement as it was signed, and who signed it. Raises `StatementRefused`.

    The bytes themselves must be what was signed: a second key of the same name, a blank or another escape is an
    alteration too.
    """
    text = text.removesuffix(b"\n").removesuffix(b"\r")
    if len(text) > STATEMENT_BYTES_MAX:
        raise StatementRefused("this is no statement of Yidan: it is too large")
    try:
        statement = READ_STATEMENT.validate_json(text)
    except ValidationError as error:
        raise StatementRefused(_why_unreadable(error)) from error
    office = trusted.get(statement["key_id"])
    if office is None:
        raise StatementRefused(
            f"the statement names the key {statement['key_id']}, which is none of the {len(trusted)} in "
            "YIDAN_STATEMENT_TRUSTED_DIR: get the issuing office's public key from the office itself, then put it there"
        )
    altered = f"the statement is not as {office.name} signed it: it was altered; ask the office for a new one"
    unsigned = {name: value for name, value in statement.items() if name != "signature"}
    try:
        signature = b64decode(statement["signature"], validate=True)
    except (NotBase64, ValueError) as error:
        raise StatementRefused(altered) from error
    if b64encode(signature).decode() != statement["signature"]:
        raise StatementRefused(altered)
    if canonical(statement) != text or not office.signed(canonical(unsigned), signature):
        raise StatementRefused(altered)
    if moment(statement["issued_at"]) > now + CLOCKS_APART_MAX:
        raise StatementRefused(f"the statement was issued at {statement['issued_at']}, which is still to come")
    if moment(statement["issued_at"]).year < statement["year"]:
        raise StatementRefused(f"the statement was issued before its year {statement['year']} had begun")
    return statement, office


def _why_unreadable(error: ValidationError) -> str:
    """What is wrong with a text that is no statement; values are not repeated."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    places = [".".join(map(str, fault["loc"])) for fault in faults]
    if "format" in places:
        return f"the statement is of another format: this version reads format {FORMAT}"
    first = f"{places[0]}: " if places[0] else ""
    return f"this is no statement of Yidan, or it was altered: {first}{faults[0]['msg']}"
