"""What desks of funds and finance look at: JSON, read from the views as this process knows them."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final

import orjson

from workers.operations.owed import owed, owed_by_insurers, paid_rows, statements_paid
from workers.operations.parts import CHINA
from workers.operations.payments import Payments
from workers.operations.statements import spent
from workers.operations.statistics import corrections, statistics
from workers.operations.views import Views

Query = Mapping[str, str]
Answered = tuple[int, bytes]

ANSWERS_KEPT: Final = 500
"""Answers to hospitals that are shown; the topic keeps all of them."""

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAYS: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){0,2}")
_MONTHS: Final = re.compile(r"[0-9]{4}([0-9]{2})?")

# What rows may be chosen by.
_STATISTICS: Final = ("layer", "fund_pay_type", "fixmedins_code")
_PAYER: Final = ("clr_optins", "region", "fund_pay_type", "carrier")
_STATEMENTS: Final = ("statement_id", *_PAYER, "fixmedins_code", "setlym", "clr_type")
_INSURERS: Final = ("statement_id", *_PAYER, "layer", "year")
_SPENT: Final = (*_PAYER, "layer", "year")
_CORRECTIONS: Final = ("layer", "fund_pay_type", "direction", "correction")
_OWED: Final = (*_PAYER, "fixmedins_code", "payments_told")
_OWED_BY_INSURERS: Final = (*_PAYER, "layer", "year")
_PAYMENTS: Final = ("payment_id", "statement_id", "state", "statement_known")
_ANSWERS: Final = ("msgid", "fixmedins_code", "stmt_rslt")


class Page:
    """The paths of the page. It reads; nothing here changes anything."""

    def __init__(self, views: Views, payments: Payments, level_at: Callable[[], float | None]) -> None:
        self._views = views
        self._payments = payments
        self._level_at = level_at
        self._answers: deque[dict[str, Any]] = deque(maxlen=ANSWERS_KEPT)

    def paths(self) -> dict[str, Callable[[Query], Answered]]:
        """Every path and what answers it. A parameter that a path does not know is refused, not passed over.

        Passed over, a misspelt one would show more than was asked for, and a desk would add it up.
        """
        return {
            "/statistics": _knowing(self._statistics, "by", "day", "region", *_STATISTICS),
            "/clearing": _knowing(self._clearing, *_STATEMENTS, *_INSURERS, *_SPENT),
            "/corrections": _knowing(self._corrections, "setlym", "region", *_CORRECTIONS),
            "/owed": _knowing(self._owed, "until", *_OWED, *_OWED_BY_INSURERS),
            "/payments": _knowing(self._paid, *_PAYMENTS),
            "/reconciliations": _knowing(self._reconciliations, *_ANSWERS),
        }

    def answered(self, answer: dict[str, Any]) -> None:
        """Remembers an answer to a hospital, to be shown."""
        self._answers.append(answer)

    def _statistics(self, query: Query) -> Answered:
        by, day = query.get("by", "day"), query.get("day", "")
        if by not in ("day", "hour"):
            return _wrong("by", "day or hour")
        if day and not _DAYS.fullmatch(day):
            return _wrong("day", "a day YYYY-MM-DD, a month YYYY-MM or a year YYYY")
        rows = statistics(self._views, region=query.get("region", ""), day=day, hours=by == "hour")
        return self._shown("statistics", _chosen(rows, query, *_STATISTICS))

    def _clearing(self, query: Query) -> Answered:
        found = statements_paid(self._views, self._payments)
        hospitals = [each for each in found if each["type"] == "clearing_statement"]
        carriers = [each for each in found if each["type"] == "carrier_statement"]
        body = {
            "statements": _chosen(hospitals, query, *_STATEMENTS),
            "carriers": _chosen(carriers, query, *_INSURERS),
            "spent": _chosen(spent(self._views), query, *_SPENT),
        }
        return _json({**body, **self._seen()})

    def _corrections(self, query: Query) -> Answered:
        month = query.get("setlym", "")
        if month and not _MONTHS.fullmatch(month):
            return _wrong("setlym", "a month YYYYMM or a year YYYY")
        rows = corrections(self._views, region=query.get("region", ""), month=month)
        return self._shown("corrections", _chosen(rows, query, *_CORRECTIONS))

    def _owed(self, query: Query) -> Answered:
        until = query.get("until", "")
        if not _is_day(until):
            return _wrong("until", "a day YYYY-MM-DD, such as 2021-12-31: statements of its year up to that day")
        hospitals, insurers = [shown(self._views, self._payments, until) for shown in (owed, owed_by_insurers)]
        body = {
            "owed": _chosen(hospitals, query, *_OWED),
            "carriers": _chosen(insurers, query, *_OWED_BY_INSURERS),
            "unknown": [
                row
                for row in paid_rows(self._views, self._payments)
                if not row.get("statement_known") and row["state"] != "taken_back"
            ],
        }
        return _json({**body, **self._seen()})

    def _paid(self, query: Query) -> Answered:
        rows = paid_rows(self._views, self._payments)
        body = {
            "payments": _chosen(rows, query, *_PAYMENTS),
            "refused": list(self._payments.refused.values()),
        }
        return _json({**body, **self._seen()})

    def _reconciliations(self, query: Query) -> Answered:
        return self._shown("reconciliations", _chosen(self._answers, query, *_ANSWERS))

    def _shown(self, name: str, rows: Any) -> Answered:
        return _json({name: rows, **self._seen()})

    def _seen(self) -> dict[str, Any]:
        """What the answer rests on: the next payout and the next word about a payment, by partition.

        `complete_until` is a moment up to which everything that was paid is in it; null while views are derived anew,
        when sums are parts of sums.
        """
        at = self._level_at()
        until = None if at is None else datetime.fromtimestamp(at, CHINA).isoformat(timespec="seconds")
        return {"complete_until": until, "seen": self._views.positions(), "payments_seen": self._payments.positions}


def _knowing(answered: Callable[[Query], Answered], *names: str) -> Callable[[Query], Answered]:
    """The path with these parameters and no others."""

    def asked(query: Query) -> Answered:
        unknown = next((name for name in query if name not in names), None)
        if unknown is not None:
            return _wrong(unknown[:64], f"one of {', '.join(dict.fromkeys(names))}: this page knows no other")
        return answered(query)

    return asked


def _chosen(rows: Iterable[Any], query: Query, *names: str) -> list[Any]:
    """The rows with the values that the query names; the word `null` asks for rows without."""
    wanted = [(name, query[name]) for name in names if name in query]
    return [row for row in rows if all(_word(row.get(name)) == value for name, value in wanted)]


def _is_day(text: str) -> bool:
    try:
        return _DAY.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _wrong(name: str, mend: str) -> Answered:
    return _json({"parameter": name, "write": mend}, 400)


def _json(body: Any, status: int = 200) -> Answered:
    return status, orjson.dumps(body)
