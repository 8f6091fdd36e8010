"""The published payouts are what really comes out when the published events go in."""

import json
from typing import Any

from contracts.pack_file import load_directory
from workers.contracts_book import examples, examples_payout
from workers.settlement.offline import Settler

STORY = (
    (examples.SETTLED, [examples_payout.SETTLEMENT]),
    (examples.SETTLED_LATER, None),
    (examples.REVERSED, [examples_payout.REVERSAL, examples_payout.READJUDICATION]),
    (examples.SETTLED_IN_JINGNING, [examples_payout.PENDING]),
    (examples.APPLICATION_DECIDED, [examples_payout.APPLICATION]),
)


def but_for_the_packs_edition(payout: Any) -> Any:
    """Without the digest of the policy text and the readings' ids, which change with every edit of a pack."""
    lines = [{name: value for name, value in line.items() if name != "readings"} for line in payout["lines"]]
    return {**payout, "lines": lines, "pack": payout["pack"]["region"]}


def test_the_story_of_the_examples_comes_true():
    settler = Settler(load_directory(None))
    for event, payouts in STORY:
        taken = settler.take(json.dumps(event).encode())
        assert taken.refusal is None
        if payouts is not None:
            assert [but_for_the_packs_edition(payout) for payout in taken.payouts] == [
                but_for_the_packs_edition(payout) for payout in payouts
            ]
