"""The closed lists that label values come from, where the contract's own lists do not do."""

from enum import StrEnum
from typing import Final

OTHER: Final = "other"
"""What a value is counted as that stands on no list, so that no input can make a series."""

REFUSED: Final = "refused"

OUTCOMES: Final = ("settled", "reversed", "changed", "remembered", "repeated", "stale", REFUSED, OTHER)
"""What an event may have come to: the effects of `workers.adjudication.books.Outcome`."""


class PartitionState(StrEnum):
    """Where a partition stands in this worker."""

    TAKING_OVER = "taking_over"
    OWNED = "owned"
    REPAIRING = "repairing"
    WAITING = "waiting"
    STOPPED = "stopped"


class Phase(StrEnum):
    """What a turn spends its time on."""

    READ = "read"
    SETTLE = "settle"
    COMMIT = "commit"
    APPLY = "apply"


class TakeOverCause(StrEnum):
    """Why a partition that is taken over had not been held: what happened first, however often it was tried since."""

    ASSIGNED = "assigned"
    """The group has given it to us."""
    FENCED = "fenced"
    """Another worker had taken it from us."""
    OUTCOME_UNKNOWN = "outcome_unknown"
    """A transaction's answer did not come."""
    STORE_UNAVAILABLE = "store_unavailable"
    """The store did not answer before a batch was settled."""
    POSITION_LOST = "position_lost"
    """The broker no longer had what came next."""
    REPAIR_FAILED = "repair_failed"
    """The store could not be brought back to our own last batch."""
    FAILURE = "failure"


class Transaction(StrEnum):
    """How a batch's transaction ended, as far as its producer could see."""

    COMMITTED = "committed"
    FENCED = "fenced"
    UNKNOWN = "unknown"


class StatementKind(StrEnum):
    """A statement's `type`."""

    CLEARING = "clearing_statement"
    CARRIER = "carrier_statement"


class ClaimResult(StrEnum):
    """What a hospital was answered."""

    EVEN = "even"
    UNEVEN = "uneven"
    REFUSED = "refused"


class OpenAge(StrEnum):
    """How long ago the month ended of which money is open."""

    RUNNING = "running"
    """It has not ended."""
    DUE = "due"
    OVERDUE = "overdue"
    """Longer ago than `workers.operations.owed.OVERDUE_DAYS`."""


class Errand(StrEnum):
    """What brings the store up to the journal."""

    TAKE_OVER = "take_over"
    REPAIR = "repair"


class Restore(StrEnum):
    """What an errand did to the store."""

    REBUILD = "rebuild"
    """From the whole journal, beside the old view."""
    REPLAY = "replay"
    """Of the journal's end."""
    NONE = "none"
    """It had everything."""
