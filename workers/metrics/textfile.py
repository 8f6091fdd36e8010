"""What commands have found, as files for the node exporter: commands run and end, and nobody scrapes them."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile

from workers.metrics.bound import gauge
from workers.metrics.names import AUDIT_AT, AUDIT_DRIFT, QUARANTINE_AT
from workers.metrics.quarantine import QuarantineMetrics


def write_audit(path: Path, differences: int) -> None:
    """What a whole audit found, and that it was now. The file is there as a whole or not at all."""
    registry = CollectorRegistry()
    gauge(AUDIT_DRIFT, registry).set(differences)
    gauge(AUDIT_AT, registry).set_to_current_time()
    write_to_textfile(str(path), registry)


def write_quarantine(path: Path, by_reason: Mapping[tuple[str, str], int], oldest_ms: int | None) -> None:
    """What lies in quarantine, by (reason, topic), and since when; and that it was looked at now.

    Without the latter nobody could tell a quarantine that is empty from one that cannot be read any more.
    """
    registry = CollectorRegistry()
    QuarantineMetrics(registry).show(by_reason, oldest_ms)
    gauge(QUARANTINE_AT, registry).set_to_current_time()
    write_to_textfile(str(path), registry)
