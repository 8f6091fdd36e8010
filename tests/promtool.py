"""Prometheus' own checker, where it is installed: `apt-get install prometheus`."""

import shutil

import pytest


def promtool() -> str:
    """Its path; skips the test where there is none."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return found
