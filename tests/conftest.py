"""Before anything is imported: each process of the tests has servers on ports of its own, and no example a deadline.

How long an example takes says more about who else is on the machine.
"""

import os

from hypothesis import settings

settings.register_profile("yidan", deadline=None)
settings.load_profile("yidan")

PORTS_EACH = 200

os.environ["YIDAN_TEST_PORTS_APART"] = str(
    PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
)
