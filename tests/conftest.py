"""Before anything is imported: each process of the tests has servers on ports of its own."""

import os

PORTS_EACH = 200

os.environ["YIDAN_TEST_PORTS_APART"] = str(
    PORTS_EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
)
