"""The exit codes of `yidan`, those of BSD's sysexits where one fits."""

from enum import IntEnum


class Exit(IntEnum):
    """How a command ended."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    BAD_DATA = 65
    UNAVAILABLE = 69
    FAULT_OF_OURS = 70
    CONFIGURATION = 78
    INTERRUPTED = 130
