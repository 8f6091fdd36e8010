"""What a visit costs and who has paid: one good `settled` event, as the platform would send it.

Everything is integer fen and integer draws, so that no machine rounds otherwise than another. The
funds' shares are plausible, not law: the basic fund after a deductible and up to a yearly cap, serious
illness above a yearly threshold, assistance as a share of what is left. No fund is reported for a layer
that the region's pack computes itself.
"""

from itertools import pairwise
from random import Random
from typing import NamedTuple

from workers.rehearsal.residents import DATES, ISO, Region, Resident, day

Quantiles = tuple[tuple[int, int], ...]


def _quantiles(*yuan: int) -> Quantiles:
    """Sixteen equally likely spans between seventeen amounts; (lowest, width) of each, in fen."""
    if len(yuan) != 17:
        raise ValueError(f"{len(yuan)} amounts, not 17")
    return tuple((low * 100, (high - low) * 100) for low, high in pairwise(yuan))


# fmt: off
STAYS = (
    _quantiles(400, 1_300, 2_100, 2_800, 3_500, 4_200, 5_000, 5_900,
               7_000, 8_300, 10_000, 12_000, 15_000, 19_000, 26_000, 40_000, 120_000),
    _quantiles(2_000, 9_000, 14_000, 18_000, 21_000, 24_000, 28_000, 32_000,
               36_000, 41_000, 47_000, 54_000, 62_000, 75_000, 95_000, 140_000, 320_000),
    _quantiles(9_000, 40_000, 70_000, 100_000, 130_000, 160_000, 190_000, 220_000,
               260_000, 300_000, 350_000, 420_000, 500_000, 600_000, 750_000, 1_000_000, 1_800_000),
)
"""Bills of a stay, by the severity of the resident's illness."""

VISITS = _quantiles(6, 25, 40, 55, 70, 90, 110, 130, 155, 185, 220, 260, 320, 400, 550, 900, 3_500)
DIALYSIS = _quantiles(380, 400, 410, 420, 425, 430, 435, 440, 450, 460, 480, 500, 540, 600, 680, 900, 1_600)

_FREQUENCIES = {
    "21": 52, "2101": 4, "2102": 3, "22": 5, "24": 3, "28": 3,  # stays
    "11": 38, "13": 12, "14": 4,  # visits, emergencies, chronic illness
    "41": 3, "52": 1,  # a pharmacy and a birth: care that no layer covers
}
# fmt: on
MED_TYPES = tuple(med_type for med_type, frequency in _FREQUENCIES.items() for _ in range(frequency))
"""Care other than dialysis, 128 equally likely draws."""

ELSEWHERE = ("310101", "310104", "110101", "320102", "440104", "610102", "420106", "500103")
EXCLUSIONS = (
    "third_party",
    "work_injury",
    "third_party",
    "public_health",
    "cosmetic",
    "overseas",
    "non_designated",
    "unlawful",
)
UNKNOWN_FIELDS = (
    ',"hosp_lv":"5","dscg_dept_name":"肾内科"',
    ',"clr_type":"21","exp_content":{"source":"HIS","batches":[1,2]}',
    ',"psn_type":"1403","act_pay_dedc":"600.00","pool_prop_selfpay":0.75',
    ',"memo":"异地就医备案 \\"转外\\"","balc":null',
)
"""Fields the contract does not know and every reader must ignore."""

BASIC_DEDUCTIBLE = (300_00, 600_00, 1_000_00)
"""Of the basic fund, per stay, by the hospital's level; fen."""
BASIC_PERCENT = (85, 75, 65)
BASIC_CAP = 200_000_00
SERIOUS_ILLNESS_FROM = 25_000_00
SERIOUS_ILLNESS_PERCENT = 65
REPORTED_ASSISTANCE_MAX = 80_000_00

TAIZHOU_SUPPLEMENTARY_FROM = day("2019-07-01")
TAIZHOU_ASSISTANCE_FROM = day("2020-07-01")

YEARS = [date.year for date in DATES]
NEW_YEARS = [day(f"{date.year}-01-01") for date in DATES]
"""The year of each day, and the day that year began on."""


class Bill(NamedTuple):
    """The whole and its four parts, in fen; the parts always add up."""

    total: int
    own: int
    over: int
    upfront: int
    scope: int


class Reported(NamedTuple):
    """What the funds above the basic one report, in fen; None where nothing can be reported."""

    serious: int | None
    assistance: int | None
    other: int | None


class Office:
    """The office that settles for the insured of one region."""

    def __init__(self, region: Region, rng: Random) -> None:
        self._region = region
        self._bits = rng.getrandbits

    def settled(self, resident: Resident, med_type: str, number: int, today: int, clock: str) -> tuple[str, str, str]:
        """The event of the county's settlement `number`, its msgid and its setl_id; adds it to the resident's year."""
        bits = self._bits
        stay = med_type[0] == "2" or med_type == "52"
        begin, end = self._days(resident, stay, today)
        bill = self._bill(resident, med_type, stay)
        area, hospital = self._where(resident)
        away = area != resident.county
        identities = resident.identities_later if today >= resident.identities_day else resident.identities
        if bits(8) == 0 or (med_type == "22" and bits(3) == 0):
            exclusions = f'["{EXCLUSIONS[bits(3)]}"]'
            basic, reported, employee = 0, Reported(None, None, None), ""
        else:
            exclusions = "[]"
            basic = _basic_pay(resident, med_type, bill.scope, away)
            reported = self._reported(resident, identities != "[]", end, bill.scope - basic, bill.upfront)
            employee = _employee_funds(resident, bill.scope - basic) if resident.insutype == "310" else ""
        year = YEARS[end]
        if year == resident.year:
            resident.fund_paid += basic
            resident.self_borne += bill.scope - basic

        fen, (total, own, over, first, scope) = resident.fen, bill
        snapshot = "" if bits(6) == 0 else f'"psn_idet":{identities},'
        subsidised = "null" if bits(6) else "true" if bits(2) else "false"
        more = UNKNOWN_FIELDS[bits(2)] if bits(4) == 0 else ""
        msgid, setl_id = f"{hospital}-{number:08d}", f"S{year}-{number:08d}"
        event = (
            f'{{"type":"settled","msgid":"{msgid}","setl_id":"{setl_id}","mdtrt_id":"M{setl_id[1:]}",'
            f'"psn_no":"{resident.psn_no}","insutype":"{resident.insutype}","med_type":"{med_type}",'
            f'"insuplc_admdvs":"{resident.county}","mdtrtarea_admvs":"{area}","fixmedins_code":"{hospital}",'
            f'"begndate":"{ISO[begin]}","enddate":"{ISO[end]}","setl_time":"{ISO[today]}T{clock}+08:00",'
            f'{snapshot}"premium_subsidised":{subsidised},"exclusions":{exclusions},'
            f'"medfee_sumamt":"{total // 100}{fen[total % 100]}","fulamt_ownpay_amt":"{own // 100}{fen[own % 100]}",'
            f'"overlmt_selfpay":"{over // 100}{fen[over % 100]}","preselfpay_amt":"{first // 100}{fen[first % 100]}",'
            f'"inscp_scp_amt":"{scope // 100}{fen[scope % 100]}","hifp_pay":{_fund(basic, resident)},'
            f'"hifmi_pay":{_fund(reported.serious, resident)},"maf_pay":{_fund(reported.assistance, resident)},'
            f'"oth_pay":{_fund(reported.other, resident)}{employee}{more}}}'
        )
        return event, msgid, setl_id

    def _days(self, resident: Resident, stay: bool, today: int) -> tuple[int, int]:
        """First and last day of what is settled `today`; stays of one person do not overlap, and open a year at need.

        One stay in 32 is settled weeks late, and in January and February one in eight is of last December.
        """
        bits = self._bits
        if not stay:
            begin = end = today - (bits(5) == 0)
        else:
            new_year = NEW_YEARS[today]
            if today - new_year < 59 and bits(3) == 0:
                end = new_year - 1 - bits(4)
            elif bits(5) == 0:
                end = today - 15 - bits(6)
            else:
                end = today - (0, 0, 0, 0, 0, 1, 1, 2)[bits(3)]
            begin = end - 2 - bits(4)
            if begin <= resident.discharged_day:
                begin = min(end, resident.discharged_day + 1)
        resident.discharged_day = max(end, resident.discharged_day)
        if YEARS[end] > resident.year:
            resident.year, resident.fund_paid, resident.self_borne = YEARS[end], 0, 0
        return begin, end

    def _bill(self, resident: Resident, med_type: str, stay: bool) -> Bill:
        bits = self._bits
        low, width = (STAYS[resident.severity] if stay else DIALYSIS if med_type == "14" else VISITS)[bits(4)]
        total = low + (width * bits(24) >> 24)
        own = total * bits(7) // 1_000  # up to 12.7 %
        over = 0 if bits(2) else total * bits(5) // 1_000
        upfront = total * (40 + bits(7)) // 1_000
        return Bill(total, own, over, upfront, total - own - over - upfront)

    def _where(self, resident: Resident) -> tuple[str, str]:
        """The division and the hospital: mostly at home, one in ten in the capital, one in 32 in another province."""
        draw = self._bits(6)
        if draw < 2:
            area = ELSEWHERE[self._bits(3)]
        elif draw < 8:
            area = self._region.capital
        else:
            return resident.county, resident.hospital
        return area, f"H{area}00001"

    def _reported(self, resident: Resident, poor: bool, end: int, borne: int, upfront: int) -> Reported:
        """Of what the basic fund left in scope (`borne`) and of the share borne first, what other funds have paid."""
        bits = self._bits
        if self._region.code == "140100":
            # Assistance comes after the serious illness we compute, which leaves a fifth at least.
            return Reported(None, borne * (6 + bits(3)) // 100 if poor and bits(1) else 0, None)
        serious = _serious_illness_pay(resident, borne) if resident.insutype == "390" else 0
        assistance = min((borne - serious) * (40 + bits(4)) // 100, REPORTED_ASSISTANCE_MAX) if poor else 0
        if self._region.code == "331127":
            return Reported(serious, assistance, None)
        other = upfront // 10 if poor and bits(2) == 0 else 0
        return Reported(
            serious,
            assistance if end < TAIZHOU_ASSISTANCE_FROM else None,
            other if end < TAIZHOU_SUPPLEMENTARY_FROM else None,
        )


def _basic_pay(resident: Resident, med_type: str, scope: int, away: bool) -> int:
    """What the basic fund pays of `scope`, both in fen; the year's total stays under the fund's own cap."""
    level = resident.hospital_level
    percent = BASIC_PERCENT[level] + (8 if resident.insutype == "310" else 0) - (10 if away else 0)
    if med_type[0] == "2":
        scope -= BASIC_DEDUCTIBLE[level]
    elif med_type == "41":
        percent = 0
    elif med_type != "14":
        percent -= 35
    return max(0, min(scope * percent // 100, BASIC_CAP - resident.fund_paid))


def _serious_illness_pay(resident: Resident, borne: int) -> int:
    """What serious illness pays of `borne`, fen: a share of the part that lies above the year's threshold."""
    above = min(borne, resident.self_borne + borne - SERIOUS_ILLNESS_FROM)
    return max(0, above) * SERIOUS_ILLNESS_PERCENT // 100


def _employee_funds(resident: Resident, borne: int) -> str:
    """What only employees have: a large-bill fund, and the person's own account, which is no fund."""
    large = borne // 4 if borne > 5_000_00 else 0
    return f',"hifob_pay":{_fund(large, resident)},"acct_pay":"{borne // 8 // 100}.00"'


def _fund(paid: int | None, resident: Resident) -> str:
    if paid:
        return f'"{paid // 100}{resident.fen[paid % 100]}"'
    return "null" if paid is None else resident.zero
