"""What is taken back: a settlement by its own id, or a message by its id when its sender never learned the outcome."""

from dataclasses import replace

from contracts.discharge import Reversed, Settled, Voided
from contracts.journal import (
    Deed,
    Entry,
    MessageMark,
    Revision,
    SettlementMark,
    Year,
    entry_field,
    message_field,
    settlement_field,
    year_field,
)
from contracts.payout import Cause
from contracts.vocabulary import Refusal
from workers.adjudication.books import Books, Outcome
from workers.adjudication.ledger import fold_again, former_layers
from workers.adjudication.marks import Ledger, note_message, placed, read_entries, refuse_too_long, refuse_voided
from workers.adjudication.payout import reversal_payout
from workers.adjudication.refuse import BrokenInvariantError, RefusedError
from workers.adjudication.shelf import Shelf


def reverse(books: Books, shelf: Shelf, event: Reversed) -> Outcome:
    """Take a settlement out of its year and fold the later ones again; remember a reversal that comes first.

    Refuses `later_settlements_exist` where the pack demands it, and `message_was_voided`.
    """
    psn_no, setl_id = event.psn_no, event.setl_id
    mark: SettlementMark | None = shelf.get(settlement_field(psn_no, setl_id))
    if mark is not None and mark.reversed_by is not None:
        note_message(shelf, psn_no, event.msgid, Deed("repeated", setl_id))
        return Outcome("repeated")
    refuse_voided(shelf, psn_no, event.msgid)
    if mark is None:
        shelf.put(settlement_field(psn_no, setl_id), SettlementMark(reversed_by=event.msgid))
        note_message(shelf, psn_no, event.msgid, Deed("reversed", setl_id))
        return Outcome("remembered")
    outcome = _take_out(books, shelf, psn_no, setl_id, mark, {"type": "reversed", "msgid": event.msgid})
    note_message(shelf, psn_no, event.msgid, Deed("reversed", setl_id))
    return outcome


def void(books: Books, shelf: Shelf, event: Voided) -> Outcome:
    """Undo what a message did; one that has not come yet will be refused when it does. A repeat's has no effect.

    Refuses `voiding_a_reversal`, `later_settlements_exist`, and `message_id_was_used_twice` where it is not clear which
    settlement is meant.
    """
    psn_no = event.psn_no
    meant: MessageMark = shelf.get(message_field(psn_no, event.omsgid)) or MessageMark()
    outcome = _void(books, shelf, event, meant)
    if outcome.effect != "reversed":
        note_message(shelf, psn_no, event.msgid, Deed("reversed"))
    return outcome


def _void(books: Books, shelf: Shelf, event: Voided, meant: MessageMark) -> Outcome:
    psn_no = event.psn_no
    settled = [deed for deed in meant.deeds if deed.what == "settled"]
    if any(deed.what == "voided" for deed in meant.deeds):
        return Outcome("repeated")
    refuse_voided(shelf, psn_no, event.msgid)
    if any(deed.what == "reversed" for deed in meant.deeds):
        raise RefusedError(
            Refusal.VOIDING_A_REVERSAL, "omsgid", "a reversal cannot be voided: settle again under a new setl_id"
        )
    if len(settled) > 1:
        raise RefusedError(
            Refusal.MESSAGE_ID_WAS_USED_TWICE, "omsgid", "several settlements came under this id: reverse by setl_id"
        )
    if not meant.deeds:
        note_message(shelf, psn_no, event.omsgid, Deed("voided"))
        return Outcome("remembered")
    if not settled or settled[0].setl_id is None:
        return Outcome("repeated")
    setl_id = settled[0].setl_id
    mark: SettlementMark = shelf.get(settlement_field(psn_no, setl_id))
    if mark.reversed_by is not None:
        return Outcome("repeated")
    outcome = _take_out(books, shelf, psn_no, setl_id, mark, {"type": "voided", "msgid": event.msgid})
    note_message(shelf, psn_no, event.msgid, Deed("reversed", setl_id))
    return outcome


def _take_out(books: Books, shelf: Shelf, psn_no: str, setl_id: str, mark: SettlementMark, cause: Cause) -> Outcome:
    """Take an accepted settlement out of its ledger; the reversal first, then what it changes, in ledger order."""
    region, year_number, index = placed(mark)
    ledger: Ledger = (psn_no, region, year_number)
    entries = read_entries(shelf, ledger)
    entry = entries[index]
    bill = entry.fact
    if not isinstance(bill, Settled):
        raise BrokenInvariantError("a settled mark names an entry that is no settlement")
    pack = books.pack_of(entry.digest, shelf)
    if pack.last_first and any(_is_live_settlement(later) for later in entries[index + 1 :]):
        raise RefusedError(
            Refusal.LATER_SETTLEMENTS_EXIST,
            "setl_id",
            "this region reverses the last settlement first: reverse the later ones of the year before this one",
        )
    refuse_too_long(entry.revisions, "setl_id")
    reversal = Revision(
        entry.revision + 1,
        cause,
        {share.layer: -share.paid for share in entry.shares if share.paid},
        {share.layer: -share.to_person for share in entry.shares if share.to_person},
    )
    entries[index] = replace(
        entry, live=False, revision=reversal.revision, revisions=(*(entry.revisions or ()), reversal)
    )
    shelf.put(entry_field(*ledger, index), entries[index])
    shelf.put(settlement_field(psn_no, setl_id), replace(mark, reversed_by=cause["msgid"]))
    year: Year = shelf.get(year_field(*ledger))
    present = {layer.id for layer, _ in pack.layers_on(bill.enddate)}
    former = former_layers(books, shelf, year, entry, present)
    taken_back = reversal_payout(entry, bill, pack, revision=reversal.revision, cause=cause, former=former)
    payouts, signals = fold_again(books, shelf, ledger, entries, cause, setl_id)
    return Outcome("reversed", [taken_back, *payouts], signals)


def _is_live_settlement(entry: Entry) -> bool:
    return entry.live and isinstance(entry.fact, Settled)
