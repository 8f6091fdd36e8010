"""Statements for clearing: with hospitals month by month, with insurers year by year."""

from typing import Any

from typing_extensions import TypedDict

from contracts.clearing import CarrierStatement, ClearingStatement
from contracts.money import Fen, yuan
from contracts.vocabulary import ClrType, LayerId
from workers.operations.parts import CLEARING, MOVED, YEARS, Key, Value, add, summed
from workers.operations.views import Views

Statement = ClearingStatement | CarrierStatement


def statement(views: Views, key: Key) -> Statement | None:
    """The statement that a part belongs to, from all partitions; None where the part makes none, or is gone."""
    total: Value = {}
    for counters in views.of(key).values():
        add(total, counters)
    if not total:
        return None
    return clearing_statement(key, total) if key[0] == CLEARING else carrier_statement(key, total)


def hospital_statement_id(key: Key) -> str:
    """What the statement of a hospital's counters is called."""
    _, office, _, fund, carrier, hospital, month, clr_type = key
    return ":".join((office, fund, hospital, month, clr_type, *((carrier,) if carrier else ())))


def carrier_statement_id(key: Key) -> str:
    """What the statement of an insurer's counters is called."""
    _, office, _, layer, fund, carrier, year = key
    return f"{office}:{layer}:{fund}:{year}:{carrier}"


def clearing_statement(key: Key, total: Value) -> ClearingStatement:
    """A hospital's statement of its counters."""
    _, office, region, fund, carrier, hospital, month, clr_type = key
    return {
        "type": "clearing_statement",
        "statement_id": hospital_statement_id(key),
        "revision": total["lines"],
        "clr_optins": office,
        "region": region,
        "fund_pay_type": fund,
        "carrier": carrier or None,
        "fixmedins_code": hospital,
        "setlym": month,
        "clr_type": ClrType(clr_type),
        "fixmedins_setl_cnt": total.get("fixmedins_setl_cnt", 0),
        "refd_setl_cnt": total.get("refd_setl_cnt", 0),
        "paid": yuan(summed(total, "paid")),
        "returned": yuan(summed(total, "returned")),
        "fund_appy_sum": yuan(summed(total, "paid", "returned")),
    }


def carrier_statement(key: Key, total: Value) -> CarrierStatement | None:
    """An insurer's statement of its counters; None where no insurer carries the layer."""
    _, office, region, layer, fund, carrier, year = key
    if not carrier:
        return None
    return {
        "type": "carrier_statement",
        "statement_id": carrier_statement_id(key),
        "revision": total["lines"],
        "clr_optins": office,
        "region": region,
        "layer": LayerId(layer),
        "fund_pay_type": fund,
        "carrier": carrier,
        "year": int(year),
        **_moved(total),
    }


def statements(views: Views) -> list[Statement]:
    """Every statement as it stands."""
    return [found for key in sorted(views.keys(CLEARING, YEARS)) if (found := statement(views, key)) is not None]


def spent(views: Views) -> list[dict[str, Any]]:
    """What each layer has spent for each benefit year, and in which calendar year that was booked.

    The supplementary layer is funded by the former. Source: 台政办发〔2019〕23号 二（三）.
    """
    return [_spent(key, views.of(key)) for key in sorted(views.keys(YEARS))]


def spent_by_fund(views: Views) -> dict[tuple[str, str, str], Fen]:
    """What each layer has spent on balance, by region, layer and `fund_pay_type`: all offices and years together."""
    found: dict[tuple[str, str, str], Fen] = {}
    for (_, _, region, layer, fund, *_), months in views.each(YEARS):
        amount = sum(summed(counters, *MOVED.values()) for counters in months.values())
        found[region, layer, fund] = found.get((region, layer, fund), 0) + amount
    return found


def _spent(key: Key, months: Value) -> dict[str, Any]:
    _, office, region, layer, fund, carrier, year = key
    total: Value = {}
    booked: dict[str, int] = {}
    for month, counters in months.items():
        add(total, counters)
        booked[month[:4]] = booked.get(month[:4], 0) + summed(counters, "paid", "returned", "topped_up", "clawed_back")
    return {
        "clr_optins": office,
        "region": region,
        "layer": layer,
        "fund_pay_type": fund,
        "carrier": carrier or None,
        "year": int(year),
        **_moved(total),
        "booked": {calendar: yuan(amount) for calendar, amount in sorted(booked.items())},
    }


class Moved(TypedDict):
    """What moved, by the way it moved, and all of it."""

    paid: str
    returned: str
    topped_up: str
    clawed_back: str
    fund_appy_sum: str


def _moved(total: Value) -> Moved:
    return {
        "paid": yuan(summed(total, "paid")),
        "returned": yuan(summed(total, "returned")),
        "topped_up": yuan(summed(total, "topped_up")),
        "clawed_back": yuan(summed(total, "clawed_back")),
        "fund_appy_sum": yuan(summed(total, "paid", "returned", "topped_up", "clawed_back")),
    }
