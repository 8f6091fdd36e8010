"""One story told in messages: a stay in Taizhou is settled, its identities change, it is taken back.

Every example is valid by its model and by its schema; tests hold both. Nobody in it exists.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from contracts import journal
from contracts.discharge import Settled

Example = Mapping[str, Any]

PSN_NO: Final = "P330000000001"
DIGEST: Final = "sha256:9b74c9897bac770ffc029102a200c5de3f5a1e7c6bcb0f3ff1c1d3e0d4f0a6b2"

SETTLED: Final[Example] = {
    "type": "settled",
    "msgid": "H33010000001202103021015000001",
    "setl_id": "S2021-0001",
    "mdtrt_id": "M2021-0001",
    "psn_no": PSN_NO,
    "insutype": "390",
    "med_type": "21",
    "insuplc_admdvs": "331002",
    "mdtrtarea_admvs": "330100",
    "fixmedins_code": "H33010000001",
    "begndate": "2021-02-20",
    "enddate": "2021-03-02",
    "setl_time": "2021-03-02T10:15:00+08:00",
    "psn_idet": [{"psn_idet_type": "2303", "begntime": "2020-01-01", "endtime": None}],
    "premium_subsidised": None,
    "exclusions": [],
    "medfee_sumamt": "120000.00",
    "fulamt_ownpay_amt": "8000.00",
    "overlmt_selfpay": "2000.00",
    "preselfpay_amt": "10000.00",
    "inscp_scp_amt": "100000.00",
    "hifp_pay": "70000.00",
    "hifmi_pay": "15000.00",
    "maf_pay": None,
    "oth_pay": None,
}

SETTLED_LATER: Final[Example] = {
    **SETTLED,
    "msgid": "H33010000001202109101015000001",
    "setl_id": "S2021-0002",
    "mdtrt_id": "M2021-0002",
    "begndate": "2021-09-01",
    "enddate": "2021-09-10",
    "setl_time": "2021-09-10T10:15:00+08:00",
    "medfee_sumamt": "104000.00",
    "fulamt_ownpay_amt": "0.00",
    "overlmt_selfpay": "0.00",
    "preselfpay_amt": "4000.00",
    "hifp_pay": "68000.00",
    "hifmi_pay": None,
}

SETTLED_IN_JINGNING: Final[Example] = {
    **SETTLED,
    "msgid": "H33112700001202206011015000001",
    "setl_id": "S2022-0001",
    "mdtrt_id": "M2022-0001",
    "psn_no": "P331100000002",
    "insuplc_admdvs": "331127",
    "mdtrtarea_admvs": "331127",
    "fixmedins_code": "H33112700001",
    "begndate": "2022-05-20",
    "enddate": "2022-06-01",
    "setl_time": "2022-06-01T10:15:00+08:00",
    "medfee_sumamt": "100000.00",
    "inscp_scp_amt": "80000.00",
    "hifp_pay": "50000.00",
    "hifmi_pay": "10000.00",
    "maf_pay": "5000.00",
}

REVERSED: Final[Example] = {
    "type": "reversed",
    "msgid": "H33010000001202110080900000007",
    "setl_id": "S2021-0001",
    "mdtrt_id": "M2021-0001",
    "psn_no": PSN_NO,
    "insuplc_admdvs": "331002",
    "setl_time": "2021-10-08T09:00:00+08:00",
}

VOIDED: Final[Example] = {
    "type": "voided",
    "msgid": "H33010000001202103021030000002",
    "omsgid": "H33010000001202103021015000001",
    "oinfno": "2304",
    "psn_no": PSN_NO,
    "setl_time": "2021-03-02T10:30:00+08:00",
}

IDENTITY_CHANGED: Final[Example] = {
    "type": "identity_changed",
    "psn_no": PSN_NO,
    "psn_idet": [{"psn_idet_type": "2303", "begntime": "2021-02-01", "endtime": None}],
    "known_at": "2021-05-01T00:00:00+08:00",
}

CARRIED_IN: Final[Example] = {
    "type": "carried_in",
    "psn_no": PSN_NO,
    "insuplc_admdvs": "331002",
    "year": 2021,
    "known_at": "2021-01-31T18:00:00+08:00",
    "layers": {"assistance_inpatient": {"base": "30000.00", "paid": "21000.00"}},
}

PACK_ADOPTED: Final[Example] = {
    "type": "pack_adopted",
    "psn_no": PSN_NO,
    "insuplc_admdvs": "331002",
    "year": 2021,
    "first_day": "2021-07-01",
    "digest": DIGEST,
    "known_at": "2022-01-10T09:00:00+08:00",
}

APPLICATION_DECIDED: Final[Example] = {
    "type": "application_decided",
    "application_id": "A2023-0001",
    "psn_no": "P331100000002",
    "insuplc_admdvs": "331127",
    "year": 2022,
    "applicant": "困难人员",
    "hardship_application": None,
    "resident": True,
    "insured_years": 5,
    "other_assistance": "0.00",
    "applied_on": "2023-03-01",
    "objections": False,
    "approved": True,
    "known_at": "2023-03-20T17:00:00+08:00",
    "account_token": "T-5f2c9e",
}

SIGNAL: Final[Example] = {
    "type": "signal",
    "signal_id": f"{PSN_NO}:2021:331000:cap_reached:assistance_inpatient:1",
    "kind": "cap_reached",
    "state": "raised",
    "psn_no": PSN_NO,
    "year": 2021,
    "region": "331000",
    "layer": "assistance_inpatient",
    "revision": 1,
    "setl_id": "S2021-0009",
    "clause": None,
}

REFUSED: Final[Example] = {
    "type": "refused",
    "reason": "send_money_as_string",
    "field": "medfee_sumamt",
    "detail": 'send the amount as a JSON string such as "1200.50": JSON numbers lose fen',
    "source": {"topic": "onestop.discharges.v1", "partition": 7, "offset": 1024},
    "length": 47,
    "sha256": "9b74c9897bac770ffc029102a200c5de3f5a1e7c6bcb0f3ff1c1d3e0d4f0a6b2",
    "original": '{"type": "settled", "medfee_sumamt": 120000.00}',
}

REPLAYED: Final[Example] = {
    "type": "replayed",
    "source": {"topic": "onestop.discharges.v1", "partition": 3, "offset": 117},
    "reason": "no_pack_for_region",
    "sent": {"topic": "onestop.discharges.v1", "partition": 3, "offset": 2048},
    "sha256": "9b74c9897bac770ffc029102a200c5de3f5a1e7c6bcb0f3ff1c1d3e0d4f0a6b2",
    "at": "2021-03-08T09:30:00+08:00",
    "by": "operator",
}

HEADER: Final[Example] = json.loads(
    journal.write_header(
        journal.Header(
            lineage="5f2c9e51",
            group="yidan",
            partitions=12,
            seq=41,
            next_in={"onestop.persons.v1": 3, "onestop.discharges.v1": 1025, "onestop.applications.v1": 0},
            n=5120,
            prev_hash="9b74c9897bac770ffc029102a200c5de3f5a1e7c6bcb0f3ff1c1d3e0d4f0a6b2",
        )
    )
)

_FACT: Final = Settled.model_validate_json(json.dumps(SETTLED))

_FIELDS: Final[dict[str, journal.FieldValue]] = {
    "p": journal.Person(identities=_FACT.psn_idet, known_at="2021-05-01T00:00:00+08:00"),
    "y": journal.Year(entries=1, accounts={"assistance_inpatient": journal.Account(20_000_00, 14_000_00)}),
    "e": journal.Entry(
        fact=_FACT,
        digest=DIGEST,
        codes=("2303",),
        shares=(journal.Share("assistance_inpatient", 20_000_00, 14_000_00, 14_000_00),),
    ),
    "s": journal.SettlementMark(region="331000", year=2021, entry=0),
    "m": journal.MessageMark(),
    "k": journal.PackText(region="331000", texts=('region = "331000"\n',)),
}


def journal_field(prefix: str) -> Example:
    """The journal form of a field of this kind, as the worker writes it."""
    value: Example = json.loads(journal.write_field(f"{prefix}|", _FIELDS[prefix]))
    return value
