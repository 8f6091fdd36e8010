"""Statistics without persons, and the list of what persons are given or owe."""

from collections.abc import Iterator
from typing import Any, Final

from contracts.money import yuan
from contracts.reconciliation import parse_signed
from workers.operations.parts import ANY, PERSONS, STATISTICS, Value, add
from workers.operations.views import Views

MONEY: Final = ("paid", "returned", "topped_up", "clawed_back", "reported")


def statistics(views: Views, *, region: str = ANY, day: str = ANY, hours: bool = False) -> list[dict[str, Any]]:
    """Counters by region, layer, fund, institution and day, or hour; a layer of null is the payout as a whole.

    `day` is a day or the beginning of some: `2021-03` is March. A payout counts in every layer in which it moved money,
    so settlements are added up where the layer is null, and money where it is not.
    """
    totals: dict[tuple[str, ...], Value] = {}
    for key, by_hour in views.each(STATISTICS):
        _, of_region, hospital, of_day = key
        if (region and of_region != region) or not of_day.startswith(day):
            continue
        for hour, by_layer in by_hour.items():
            for of_layer, counters in by_layer.items():
                layer, _, fund = of_layer.partition(" ")
                bucket = (of_day, hour if hours else ANY, of_region, layer, fund, hospital)
                add(totals.setdefault(bucket, {}), counters)
    names = ("day", "hour", "region", "layer", "fund_pay_type", "fixmedins_code")
    return [
        {
            **{name: word or None for name, word in zip(names, bucket, strict=True) if name != "hour" or hours},
            "settlements": total.get("settlements", 0),
            "payouts": total.get("payouts", {}),
            **{name: yuan(total.get(name, 0)) for name in MONEY},
        }
        for bucket, total in sorted(totals.items())
    ]


def corrections(views: Views, *, region: str = ANY, month: str = ANY) -> Iterator[dict[str, Any]]:
    """应补应退: every line whose payee is a person, by region, layer and month. It is for a desk: it names persons."""
    rows = sorted(
        (key, value)
        for key, value in views.each(PERSONS)
        if (not region or key[1] == region) and key[3].startswith(month)
    )
    for (_, of_region, layer, setlym, _, seq), value in rows:
        owes = parse_signed(value["amount"]) < 0
        yield {
            "region": of_region,
            "layer": layer,
            "setlym": setlym,
            "seq": int(seq),
            "direction": "应退" if owes else "应补",
            **value,
        }
