"""Which servers a benchmark runs on: Apache Kafka and Redis where they are here, else the wheels in their place.

YIDAN_TEST_BROKER and YIDAN_TEST_STORE decide where they are set, as for the tests. Otherwise the real ones are taken
where both can be had, and what is missing for them is said: figures of the one say little about the other.
"""

import os
from collections.abc import Callable
from typing import Final, NamedTuple

from workers.rehearsal.apache import apache_program
from workers.rehearsal.server import RehearsalFailed
from workers.rehearsal.stack import redis

BROKER: Final = "YIDAN_TEST_BROKER"
STORE: Final = "YIDAN_TEST_STORE"


class Servers(NamedTuple):
    """The kinds in use, and why not the others."""

    broker: str
    store: str
    why: str

    @property
    def short(self) -> str:
        """As a row tells it."""
        return f"{self.broker}+{self.store}"

    def said(self) -> str:
        """The first line of the output."""
        broker = "Apache Kafka" if self.broker == "apache" else "the embedded broker"
        store = "Redis" if self.store == "redis" else "the embedded store"
        return f"servers: {broker} and {store}{self.why}"


def chosen() -> Servers:
    """The servers of this run, which the environment names from here on for everything that starts one."""
    broker, store = os.environ.get(BROKER), os.environ.get(STORE)
    why = ""
    if broker is None and store is None:
        missing = _missing(apache_program) or _missing(redis)
        broker, store = ("embedded", "embedded") if missing else ("apache", "redis")
        why = f" ({missing})" if missing else ""
    found = Servers(broker or "embedded", store or "embedded", why)
    os.environ[BROKER], os.environ[STORE] = found.broker, found.store
    return found


def _missing(program: Callable[[], object]) -> str:
    try:
        program()
    except RehearsalFailed as failed:
        return str(failed)
    return ""
