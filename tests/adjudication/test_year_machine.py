"""Every type of event in any order: after each, the models agree and everything that must always hold holds."""

from typing import Any, Final

import pytest
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.adjudication.changing_packs import Versions, adoptions
from tests.adjudication.corrected_years import applications, corrections
from tests.adjudication.person_years import PERSON_YEARS, REGIONS, SETTLEMENTS, Event, Story
from tests.adjudication.stored_core import StoredCore
from tests.adjudication.telling import differences, tell
from tests.adjudication.test_two_models import PACKS, look
from tests.adjudication.year_invariants import Emitted, check_everything

VERSIONS: Final = Versions(PACKS)


class YearMachine(RuleBasedStateMachine):
    """One person, the core as a worker runs it, and the auditor that recomputes every year from the facts."""

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.story = Story(data.draw, PACKS, tuple(sorted(REGIONS)))
        self.core = StoredCore(PACKS)
        self.emitted = Emitted()
        self.held_back: list[Event] = []
        self.heard = 0

    def settled(self) -> list[Event]:
        return [event for event in self.story.events if event["type"] == "settled"]

    def live(self) -> list[Event]:
        """The settlements that stand, as the wire had them."""
        bills = [bill for ledger in self.story.auditor.years.values() for bill in ledger.bills]
        return [{name: value for name, value in bill.event.items() if name != "packs"} for bill in bills]

    def hear(self) -> None:
        """Give the core what the story has told since, and compare."""
        note("\n".join(tell(at, event) for at, event in enumerate(self.story.events, start=1)))
        for event, answer in zip(self.story.events[self.heard :], self.story.answers[self.heard :], strict=True):
            self.heard += 1
            out = self.core.take(event)
            found = differences(answer, out)
            if found:
                told = [tell(at, earlier) for at, earlier in enumerate(self.story.events[: self.heard], start=1)]
                pytest.fail("\n".join(["the models differ on the last event:", *told, "", *found]), pytrace=False)
            self.emitted.hear(out)

    def tell(self, event: Event) -> None:
        self.story.tell(event)
        self.hear()

    def on(self, data: st.DataObject) -> Story:
        """The story, drawing from this step."""
        self.story.draw = data.draw
        return self.story

    # Settlements ────────────────────────────────────────────────────────────────────────────────

    @rule(data=st.data(), bills=st.integers(1, 3))
    def bills_are_settled(self, data: st.DataObject, bills: int) -> None:
        for _ in range(bills):
            self.on(data).settle()
            self.hear()

    @precondition(lambda self: self.settled())
    @rule(data=st.data())
    def an_id_is_used_for_something_else(self, data: st.DataObject) -> None:
        self.on(data).reuse()
        self.hear()

    @precondition(lambda self: self.settled())
    @rule(data=st.data())
    def a_bill_is_written_otherwise(self, data: st.DataObject) -> None:
        self.on(data).repeat()
        self.hear()

    @precondition(lambda self: self.story.events)
    @rule(data=st.data())
    def any_event_comes_again(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.story.events)))

    # Taken back ─────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.settled())
    @rule(data=st.data())
    def any_settlement_is_reversed(self, data: st.DataObject) -> None:
        self.on(data).reverse()
        self.hear()

    @precondition(lambda self: self.settled())
    @rule(data=st.data())
    def any_message_is_voided(self, data: st.DataObject) -> None:
        messages = [event["msgid"] for event in self.story.events if "msgid" in event]
        self.tell(self.voiding(data.draw(st.sampled_from(messages))))

    @precondition(lambda self: self.live())
    @rule(data=st.data(), voided=st.booleans())
    def a_live_settlement_is_taken_back(self, data: st.DataObject, voided: bool) -> None:
        event = data.draw(st.sampled_from(self.live()))
        reversal = self.story.message("reversed") | {"setl_id": event["setl_id"], "mdtrt_id": None}
        self.tell(self.voiding(event["msgid"]) if voided else reversal)

    @precondition(lambda self: len(self.settled()) < len(SETTLEMENTS))
    @rule(data=st.data(), voided=st.booleans())
    def something_is_taken_back_before_it_comes(self, data: st.DataObject, voided: bool) -> None:
        known = {event["setl_id"] for event in [*self.story.events, *self.held_back] if "setl_id" in event}
        free = [setl_id for setl_id in SETTLEMENTS if setl_id not in known]
        if not free:
            return
        late = self.on(data).discharge(free[0]) | {"msgid": f"late {free[0]}".replace(" ", "-")}
        self.held_back.append(late)
        reversal = self.story.message("reversed") | {"setl_id": free[0], "mdtrt_id": None}
        self.tell(self.voiding(late["msgid"]) if voided else reversal)

    @precondition(lambda self: self.held_back)
    @rule(data=st.data())
    def the_original_comes_late(self, data: st.DataObject) -> None:
        self.tell(data.draw(st.sampled_from(self.held_back)))

    def voiding(self, omsgid: str) -> Event:
        return self.story.message("voided") | {"omsgid": omsgid, "oinfno": "2304"}

    # What becomes known ─────────────────────────────────────────────────────────────────────────

    @rule(data=st.data(), kind=st.sampled_from(("identity_changed", "carried_in")), newest=st.booleans())
    def something_becomes_known(self, data: st.DataObject, kind: str, newest: bool) -> None:
        event = data.draw(corrections(self.story.events, (kind,)))
        now = {"known_at": f"2024-02-01T00:00:00.{len(self.story.events):03d}+08:00"} if newest else {}
        self.tell(event | now)

    @rule(data=st.data())
    def an_application_is_decided(self, data: st.DataObject) -> None:
        number = len(self.story.events)
        self.tell(data.draw(applications(self.story.year, number)))

    # Packs ──────────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.settled())
    @rule(data=st.data(), adopted=st.booleans())
    def the_packs_in_use_change(self, data: st.DataObject, adopted: bool) -> None:
        packs = VERSIONS.changed(data.draw, self.core.packs, self.story.events)
        self.core.use(packs)
        self.story.packs = self.story.auditor.packs = packs
        if adopted:
            self.tell(data.draw(adoptions(self.story.events, packs)))

    @precondition(lambda self: self.settled())
    @rule(data=st.data())
    def a_pack_is_adopted(self, data: st.DataObject) -> None:
        self.tell(data.draw(adoptions(self.story.events, self.core.packs)))

    # What always holds ──────────────────────────────────────────────────────────────────────────

    @invariant()
    def everything_holds(self) -> None:
        check_everything(self.core, self.story.auditor, self.emitted)


TestYearMachine: Any = YearMachine.TestCase
TestYearMachine.settings = settings(look, max_examples=max(5, PERSON_YEARS // 9), stateful_step_count=30)
