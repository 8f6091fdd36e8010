"""Before anything is imported: each process of the tests has servers on ports of its own, and no example a deadline.

How long an example takes says more about who else is on the machine.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("yidan", deadline=None)
settings.load_profile("yidan")

PORTS_EACH = 200

os.environ["YIDAN_TEST_PORTS_APART"] = str(
    PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Three for every two cores: tests with servers wait for them about half of their time."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return len(os.sched_getaffinity(0)) * 3 // 2 if hasattr(os, "sched_getaffinity") else None
