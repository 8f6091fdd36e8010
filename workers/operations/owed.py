"""What is still owed: the statements of hospitals and insurers up to a day, what was paid on them, what is open.

Open is what is due less what was paid, so it is negative where too much was paid or more was taken back than settled.
Between one payer and one hospital such a remainder is set off against the oldest open months, as desks do: a month
counts as open only for what nothing else has met.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from contracts.money import Fen, yuan
from contracts.reconciliation import parse_signed
from workers.metrics.words import OpenAge
from workers.operations.parts import CLEARING, MOVED, YEARS, Key, summed
from workers.operations.payments import Payment, Payments
from workers.operations.statements import Statement, carrier_statement_id, hospital_statement_id, statements
from workers.operations.views import Views

OVERDUE_DAYS: Final = 60
"""Days after a month's end from which what is open of it is long overdue. Ours: policies name only the year's end."""

Pair = tuple[str, ...]
"""Office, region, fund, insurer, hospital: who pays, out of what, whom."""


class Account:
    """What is due and what was paid between one payer and one hospital, by month and statement."""

    def __init__(self) -> None:
        self._due: dict[str, dict[str, Fen]] = {}
        self._paid: dict[str, dict[str, Fen]] = {}

    def add(self, month: str, statement_id: str, due: Fen, paid: Fen) -> None:
        """Adds a statement."""
        self._due.setdefault(month, {})[statement_id] = due
        self._paid.setdefault(month, {})[statement_id] = paid

    def months(self, year: str | None = None) -> list[str]:
        """The months in order, of one year or of all."""
        return sorted(month for month in self._due if year is None or month[:4] == year)

    def due(self, *months: str) -> Fen:
        """What is due for some months."""
        return sum(sum(self._due[month].values()) for month in months)

    def paid(self, *months: str) -> Fen:
        """What was paid for some months."""
        return sum(sum(self._paid[month].values()) for month in months)

    def overpaid(self, *months: str) -> Fen:
        """What was paid beyond what each statement comes to."""
        return sum(
            overpaid(due, self._paid[month][statement_id])
            for month in months
            for statement_id, due in self._due[month].items()
        )

    def open_months(self) -> dict[str, Fen]:
        """What is open of each month once everything that is to be set off has been, the oldest months first."""
        return set_off({month: self.due(month) - self.paid(month) for month in self.months()})


def set_off(months: Mapping[str, Fen]) -> dict[str, Fen]:
    """Meets what is open with what is too much, from the oldest month on; the months that stay open."""
    credit = -sum(amount for amount in months.values() if amount < 0)
    found: dict[str, Fen] = {}
    for month, amount in sorted(months.items()):
        met = min(credit, max(amount, 0))
        credit -= met
        if amount > met:
            found[month] = amount - met
    return found


def overpaid(due: Fen, paid: Fen) -> Fen:
    """What was paid beyond what is due. Nothing is due of a statement that takes back more than it pays."""
    return max(0, paid - max(0, due))


def dues_until(views: Views, until: str) -> dict[Key, Fen | None]:
    """What each statement comes to up to a day, the day included; None where nothing of it had been by then."""
    last = until.replace("-", "")
    found: dict[Key, Fen | None] = {}
    for key, days in views.each(CLEARING):
        counted = [counters for day, counters in days.items() if f"{key[6]}{day}" <= last]
        due = found.setdefault(key, None)
        if counted:
            found[key] = (due or 0) + sum(summed(each, "paid", "returned") for each in counted)
    return found


def accounts(dues: Mapping[Key, Fen | None], payments: Payments, until: str) -> dict[Pair, Account]:
    """Every payer with every hospital: what statements come to, and what was paid on them up to a day."""
    found: dict[Pair, Account] = {}
    for key, due in dues.items():
        _, office, region, fund, carrier, hospital, month, _ = key
        statement_id = hospital_statement_id(key)
        paid = payments.paid(statement_id, until)
        if due is not None or paid:
            account = found.setdefault((office, region, fund, carrier, hospital), Account())
            account.add(month, statement_id, due or 0, paid)
    return found


def owed(views: Views, payments: Payments, until: str) -> list[dict[str, Any]]:
    """What each hospital is due by the statements of a calendar year up to a day, what it got, and what is open.

    `other_years_open` is what is open of other years, so that nothing is forgotten on the first of January.
    `payments_told` is false where this payer has never told of a payment to anybody: then open says no more than due.
    """
    names = ("clr_optins", "region", "fund_pay_type", "carrier", "fixmedins_code")
    rows, dues = [], dues_until(views, until)
    told = {key[1:5] for key in dues if next(payments.of(hospital_statement_id(key)), None) is not None}
    for pair, account in sorted(accounts(dues, payments, until).items()):
        months = account.months(until[:4])
        others = [month for month in account.months() if month not in months]
        other_open = account.due(*others) - account.paid(*others)
        if months or other_open:
            rows.append(
                {
                    **{name: word or None for name, word in zip(names, pair, strict=True)},
                    "until": until,
                    **_sums(account.due(*months), account.paid(*months)),
                    "overpaid": yuan(account.overpaid(*months)),
                    "other_years_open": yuan(other_open),
                    "oldest_open": _oldest(account.open_months(), until),
                    "payments_told": pair[:4] in told,
                    "months": {month: _sums(account.due(month), account.paid(month)) for month in months},
                }
            )
    return rows


def owed_by_insurers(views: Views, payments: Payments, until: str) -> list[dict[str, Any]]:
    """What insurers clear with their counties up to a day. Their lines are kept by month: the day's month is whole."""
    names = ("clr_optins", "region", "layer", "fund_pay_type", "carrier")
    rows = []
    for key in sorted(key for key in views.keys(YEARS) if key[5]):
        months = {m: counters for m, counters in views.of(key).items() if m <= until[:7].replace("-", "")}
        due = sum(summed(counters, *MOVED.values()) for counters in months.values())
        paid = payments.paid(carrier_statement_id(key), until)
        if months or paid:
            _, office, region, layer, fund, carrier, year = key
            rows.append(
                {
                    **dict(zip(names, (office, region, layer, fund, carrier), strict=True)),
                    "year": int(year),
                    "until": until,
                    **_sums(due, paid),
                    "overpaid": yuan(overpaid(due, paid)),
                }
            )
    return rows


def open_by_age(found: Mapping[Pair, Account], today: str) -> dict[tuple[str, str, OpenAge], Fen]:
    """What hospitals are still owed, by region and fund and by how long ago its month ended.

    What one hospital has been paid too much never lessens what another is owed.
    """
    open_: dict[tuple[str, str, OpenAge], Fen] = {}
    for (_, region, fund, *_), account in found.items():
        ages = dict.fromkeys(OpenAge, 0)
        for month, amount in account.open_months().items():
            ages[_age(month, today)] += amount
        for age, amount in ages.items():
            open_[region, fund, age] = open_.get((region, fund, age), 0) + amount
    return open_


def paid_out(found: Mapping[Pair, Account]) -> dict[tuple[str, str], Fen]:
    """What hospitals were paid by the payments that were told, by region and fund."""
    paid: dict[tuple[str, str], Fen] = {}
    for (_, region, fund, *_), account in found.items():
        paid[region, fund] = paid.get((region, fund), 0) + account.paid(*account.months())
    return paid


def statements_paid(views: Views, payments: Payments) -> list[dict[str, Any]]:
    """Every statement as it stands, with what was paid on it in all, what is open of it, and what was too much."""
    return [{**said, **_settled(said, payments)} for said in statements(views)]


def paid_rows(views: Views, payments: Payments) -> Iterator[dict[str, Any]]:
    """Every payment that was told, also those of statements that are not here (yet), and takings back without one."""
    known = {said["statement_id"] for said in statements(views)}
    for statement_id in sorted(payments.statements()):
        for payment in payments.of(statement_id):
            yield {**_written(payment), "statement_known": statement_id in known}
    for back in payments.taken_back_unseen():
        yield {"payment_id": back.payment_id, "state": "unseen", "taken_back": back.model_dump(mode="json")}


def _written(payment: Payment) -> dict[str, Any]:
    back = payment.taken_back
    return {
        **payment.paid.model_dump(mode="json", exclude={"type"}),
        "state": "paid" if back is None else "taken_back",
        "taken_back": None if back is None else back.model_dump(mode="json"),
    }


def _settled(said: Statement, payments: Payments) -> dict[str, Any]:
    due, paid = parse_signed(said["fund_appy_sum"]), payments.paid(said["statement_id"])
    sums = _sums(due, paid)
    return {"paid_out": sums["paid_out"], "open": sums["open"], "overpaid": yuan(overpaid(due, paid))}


def _sums(due: Fen, paid: Fen) -> dict[str, str]:
    return {"fund_appy_sum": yuan(due), "paid_out": yuan(paid), "open": yuan(due - paid)}


def _oldest(months: Mapping[str, Fen], until: str) -> dict[str, Any] | None:
    """The oldest month of which something is open, and how many days ago it ended."""
    if not months:
        return None
    month = min(months)
    return {"setlym": month, "open": yuan(months[month]), "days": max(0, _days_since(month, until))}


def _age(month: str, today: str) -> OpenAge:
    days = _days_since(month, today)
    if days <= 0:
        return OpenAge.RUNNING
    return OpenAge.DUE if days <= OVERDUE_DAYS else OpenAge.OVERDUE


def _days_since(month: str, until: str) -> int:
    """Days from the last day of a month to a day."""
    in_next = date(int(month[:4]), int(month[4:]), 28) + timedelta(days=4)
    return (date.fromisoformat(until) - (in_next - timedelta(days=in_next.day))).days
