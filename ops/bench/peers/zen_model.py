"""Taiyuan's serious illness insurance as a decision model of `zen-engine`, drawn up from the compiled pack.

Three nodes: an expression that says whether the layer looks at the bill and what enters it, a decision table of the
pack's rows in their order, an expression for the year's curve and cap. Amounts are whole fen. The model answers what
the layer pays, the row, the year's base before and after, and what is left of the cap.
"""

import json
from typing import Any

from contracts.discharge import Settled
from contracts.journal import Account
from contracts.pack import Layer, Pack
from contracts.vocabulary import FUND_FIELDS
from workers.adjudication.plan import Planner

LAYER = "serious_illness"


def layer_of(pack: Pack) -> Layer:
    """The layer."""
    return next(layer for layer in pack.layers if layer.id == LAYER)


def model_of(pack: Pack, sample: Settled) -> str:
    """The decision model, as JSON. The sample says which fund fields no layer of the pack names."""
    layer = layer_of(pack)
    drawn = ["hifp_pay", *Planner(pack).plan(sample).unnamed]
    assert set(drawn) <= set(FUND_FIELDS)
    looks = " and ".join(
        [
            f"day >= {_number_of(layer.first_day)}",
            "insutype in " + json.dumps(sorted(layer.insutypes or ())),
            "care in " + json.dumps(sorted(layer.cares), ensure_ascii=False),
            "not some(exclusions, # in " + json.dumps(sorted(layer.excludes), ensure_ascii=False) + ")",
        ]
    )
    enters = "max([0, inscp_scp_amt + preselfpay_amt - " + " - ".join(drawn) + "])"
    return json.dumps(
        {
            "nodes": [
                {"id": "in", "type": "inputNode", "name": "bill"},
                _expressions("enters", {"looks": looks, "base": enters}),
                _rows(layer),
                _expressions(
                    "pays",
                    {
                        "who": "who",
                        "after": "before + base",
                        "owed": "round(max([0, $.after - deductible]) * ratio)"
                        " - round(max([0, before - deductible]) * ratio)",
                        "headroom": "cap == null ? null : max([0, cap - paid])",
                        "pays": "looks ? ($.headroom == null ? $.owed : min([$.owed, $.headroom])) : 0",
                        "cap_left": "$.headroom == null ? null : $.headroom - $.pays",
                    },
                    goes_on=False,
                ),
                {"id": "out", "type": "outputNode", "name": "line"},
            ],
            "edges": [
                {"id": f"{a}-{b}", "type": "edge", "sourceId": a, "targetId": b}
                for a, b in (("in", "enters"), ("enters", "rows"), ("rows", "pays"), ("pays", "out"))
            ],
        },
        ensure_ascii=False,
    )


def _number_of(day: str) -> int:
    """A day as a number: the engine does not compare text, and its dates would cost it a parse a bill."""
    return int(day.replace("-", ""))


def _expressions(name: str, expressions: dict[str, str], *, goes_on: bool = True) -> dict[str, Any]:
    """A node; what it was given goes on with what it found, unless it is the last."""
    return {
        "id": name,
        "type": "expressionNode",
        "name": name,
        "content": {
            "expressions": [{"id": f"{name}-{key}", "key": key, "value": value} for key, value in expressions.items()],
            "passThrough": goes_on,
        },
    }


def _rows(layer: Layer) -> dict[str, Any]:
    """The pack's rows, most favourable first. The layer has one ratio a row."""
    rules = []
    for number, row in enumerate(layer.rows):
        assert row.curve is not None
        deductible, ratio = row.curve.deductible, next(iter(row.curve.slices(10**12, 10**12 + 100)))[2]
        meant = "" if row.codes is None else "some(codes, # in " + json.dumps(sorted(row.codes)) + ")"
        rules.append(
            {
                "_id": f"row-{number}",
                "i": meant,
                "who": json.dumps(row.who, ensure_ascii=False),
                "deductible": str(deductible),
                "ratio": ratio,
                "cap": "null" if row.cap is None else str(row.cap),
            }
        )
    outputs = ("who", "deductible", "ratio", "cap")
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": "i", "name": "identity"}],
        "outputs": [{"id": name, "name": name, "field": name} for name in outputs],
        "rules": rules,
        "passThrough": True,
    }
    return {"id": "rows", "type": "decisionTableNode", "name": "rows", "content": content}


def context_of(bill: Settled, codes: tuple[str, ...], account: Account) -> dict[str, Any]:
    """A bill and the year before it, as the model reads them."""
    return {
        "day": _number_of(bill.enddate),
        "insutype": bill.insutype,
        "care": str(bill.care),
        "exclusions": [str(each) for each in bill.exclusions or ()],
        "codes": list(codes),
        "inscp_scp_amt": bill.inscp_scp_amt,
        "preselfpay_amt": bill.preselfpay_amt,
        **{name: getattr(bill, name) or 0 for name in FUND_FIELDS},
        "before": account.base,
        "paid": account.paid,
    }
