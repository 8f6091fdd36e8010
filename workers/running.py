"""Which version of Yidan this process runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def running_version() -> str:
    """As it was installed."""
    try:
        return version("yidan")
    except PackageNotFoundError:
        return "unknown"
