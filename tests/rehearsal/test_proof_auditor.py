"""The auditor of the proof finds nothing where nothing is wrong, and every single thing that is."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from contracts.topics import DISCHARGES, JOURNAL, PAYOUTS, PERSONS, QUARANTINE, SIGNALS
from tests.rehearsal.evidence import Undisturbed
from workers.rehearsal.proof.auditor import audit_books, audit_evidence, audit_partition
from workers.rehearsal.proof.journal import HEADER
from workers.rehearsal.proof.second_model import difference

Harm = Callable[[Undisturbed], None]


@pytest.fixture(scope="module")
def settled() -> Undisturbed:
    return Undisturbed(seed=5, events=900)


def test_nothing_is_found_where_nothing_is_wrong(settled: Undisturbed):
    findings = audit_evidence(settled.evidence())
    assert findings.violations == []
    for seen in ("payouts: reversal", "payouts: readjudication", "refused", "without effect: repeated", "caps checked"):
        assert findings.counts[seen] > 0, seen


def a_payout_is_lost(kept: Undisturbed) -> None:
    del kept.topics[PAYOUTS][kept.first(PAYOUTS, b'"kind":"settlement"', b'"status":"paid"')]


def a_payout_is_said_twice(kept: Undisturbed) -> None:
    kept.topics[PAYOUTS].append(kept.topics[PAYOUTS][0])


def a_fen_too_much_is_paid(kept: Undisturbed) -> None:
    at = kept.first(PAYOUTS, b'"payable":true')
    lines = json.loads(kept.topics[PAYOUTS][at].value)["lines"]
    line = next(line for line in lines if line["payable"])
    for name in ("fund_payamt", "delta"):
        line[name] = f"{line[name][:-1]}{(int(line[name][-1]) + 1) % 10}"
    kept.change(PAYOUTS, at, lines=lines)


def a_correction_comes_before_what_it_corrects(kept: Undisturbed) -> None:
    at = kept.first(PAYOUTS, b'"kind":"readjudication"')
    kept.topics[PAYOUTS].insert(0, kept.topics[PAYOUTS].pop(at))


def a_cap_is_overspent(kept: Undisturbed) -> None:
    at = kept.first(PAYOUTS, b'"cap":"', b'"payable":true')
    lines = json.loads(kept.topics[PAYOUTS][at].value)["lines"]
    line = next(line for line in lines if line["payable"] and line.get("cap"))
    line["delta"] = line["fund_payamt"] = "99999999.00"
    kept.change(PAYOUTS, at, lines=lines)


def a_signal_is_lost(kept: Undisturbed) -> None:
    del kept.topics[SIGNALS][0]


def a_refusal_is_lost(kept: Undisturbed) -> None:
    del kept.topics[QUARANTINE][0]


def a_refusal_is_kept_twice(kept: Undisturbed) -> None:
    kept.topics[QUARANTINE].append(kept.topics[QUARANTINE][0])


def a_good_event_is_refused(kept: Undisturbed) -> None:
    good = next(record for record in kept.topics[DISCHARGES] if not record.headers)
    refused = json.loads(kept.topics[QUARANTINE][0].value)
    refused["source"] = {"topic": DISCHARGES, "partition": kept.partition, "offset": good.offset}
    kept.topics[QUARANTINE].append(kept.topics[QUARANTINE][0]._replace(value=json.dumps(refused).encode()))


def an_input_is_never_consumed(kept: Undisturbed) -> None:
    kept.topics[PERSONS].append(kept.topics[PERSONS][0]._replace(offset=len(kept.topics[PERSONS])))


def an_input_is_stepped_over(kept: Undisturbed) -> None:
    accepted = next(
        at
        for at, record in enumerate(kept.topics[DISCHARGES])
        if not record.headers and b'"type":"settled"' in record.value and b'"inscp_scp_amt":"0"' not in record.value
    )
    key = json.loads(kept.topics[DISCHARGES][accepted].value)["setl_id"].encode()
    kept.topics[PAYOUTS] = [record for record in kept.topics[PAYOUTS] if key not in record.value]


def a_field_is_lost_in_redis(kept: Undisturbed) -> None:
    del kept.redis[min(name for name in kept.redis if name.startswith(b"y|"))]


def a_field_is_stale_in_redis(kept: Undisturbed) -> None:
    kept.redis[min(name for name in kept.redis if name.startswith(b"y|"))] = b"{}"


def redis_is_behind(kept: Undisturbed) -> None:
    kept.redis[HEADER] = b"1 " + kept.topics[JOURNAL][0].value


def a_header_is_lost(kept: Undisturbed) -> None:
    at = [at for at, record in enumerate(kept.topics[JOURNAL]) if record.key == HEADER][3]
    del kept.topics[JOURNAL][at]


def a_header_counts_wrongly(kept: Undisturbed) -> None:
    at = [at for at, record in enumerate(kept.topics[JOURNAL]) if record.key == HEADER][3]
    kept.change(JOURNAL, at, n=1)


def an_entry_says_another_amount_than_its_payouts(kept: Undisturbed) -> None:
    entries = [at for at, record in enumerate(kept.topics[JOURNAL]) if (record.key or b"").startswith(b"e|")]
    record = kept.topics[JOURNAL][entries[-1]]
    shares = [[layer, base, paid + 1, *more] for layer, base, paid, *more in json.loads(record.value)["shares"]]
    kept.change(JOURNAL, entries[-1], shares=shares)
    kept.redis[record.key or b""] = kept.topics[JOURNAL][entries[-1]].value


def an_entry_is_paid_that_no_ledger_holds(kept: Undisturbed) -> None:
    name = next(record.key for record in kept.topics[JOURNAL] if (record.key or b"").startswith(b"e|"))
    kept.topics[JOURNAL] = [record for record in kept.topics[JOURNAL] if record.key != name]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (a_payout_is_lost, "was never paid"),
        (a_payout_is_said_twice, "was said twice"),
        (a_fen_too_much_is_paid, "the second model says"),
        (a_correction_comes_before_what_it_corrects, "comes after 0 others"),
        (a_cap_is_overspent, "fen paid, cap"),
        (a_signal_is_lost, "is missing"),
        (a_refusal_is_lost, "and was 0 times"),
        (a_refusal_is_kept_twice, "and was 2 times"),
        (a_good_event_is_refused, "and nothing is wrong with it"),
        (an_input_is_never_consumed, "was consumed up to"),
        (an_input_is_stepped_over, "the second model says"),
        (a_field_is_lost_in_redis, "is missing in Redis"),
        (a_field_is_stale_in_redis, "differs between Redis and journal"),
        (redis_is_behind, "the watermark in Redis is not that of the journal's last header"),
        (a_header_is_lost, "comes after header 2"),
        (a_header_counts_wrongly, "counts 1 fields"),
        (an_entry_says_another_amount_than_its_payouts, "in the journal"),
        (an_entry_is_paid_that_no_ledger_holds, "stands in no ledger"),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_whatever_a_broken_pipeline_does_is_found(settled: Undisturbed, harm: Harm, words: str):
    kept = copy.deepcopy(settled)
    harm(kept)
    violations = audit_books(kept.evidence())[1].violations
    if not any(words in violation for violation in violations):  # the model is slow: asked where the books look right
        violations = audit_evidence(kept.evidence()).violations
    assert any(words in violation for violation in violations), violations[:5]


def test_an_auditor_that_cannot_read_has_not_found_that_all_is_well():
    findings = audit_partition("127.0.0.1:1", "redis://127.0.0.1:1/0", 7)
    assert findings.violations[0].startswith("partition 7: cannot be audited: ")


def test_the_auditor_shares_no_code_with_the_pipeline():
    look = (
        "import sys, workers.rehearsal.proof.auditor\n"
        "pipeline = ('settlement', 'adjudication', 'kafka', 'worker', 'seats', 'store')\n"
        "print([name for name in sys.modules if name.startswith(tuple(f'workers.{part}' for part in pipeline))])"
    )
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_a_difference_is_told_by_the_path_to_it():
    wanted = {"lines": [{"layer": "a", "clauses": ["1"]}, {"layer": "b", "delta": "1.00"}]}
    same = {"lines": [{"layer": "a", "clauses": ["2"]}, {"layer": "b", "delta": "1.00"}]}
    assert difference(wanted, same, "") is None
    assert difference(wanted, {"lines": [{"layer": "a"}, {"layer": "b", "delta": "2.00"}]}, "") == (
        ".lines[1].delta is '2.00', the second model says '1.00'"
    )
    assert difference(wanted, {"lines": [], "more": 1}, "") == ".lines has 0 elements, the second model says 2"
