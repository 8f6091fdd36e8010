"""Logs: one JSON object a line on stdout, and nothing about a person in any of them.

A line holds an event in words and fields from a closed list; a field that is not on it is left out and named in
`left_out`, so that a careless call cannot leak. The text of an exception may quote what it choked on, so an exception
from the core appears as its type and where it was raised.
"""

import logging
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

import orjson
import structlog

FIELDS: Final = frozenset(
    {
        *("event", "level", "at", "logger", "exc_info", "exception", "left_out"),
        *("partition", "partitions", "topic", "offset", "offsets", "seq", "lineage", "epoch", "group", "state"),
        *("reason", "detail", "error", "raised_at", "records", "fields", "n", "seconds", "tries", "rebuilt", "limit"),
        *("version", "packs", "address", "bootstrap", "redis", "signal", "exit_code", "settings", "next_in"),
    }
)
"""What a line may hold. No person, no settlement, no payload: they are not words an operator needs."""

TELLING: Final = ("workers.settlement.ports.", "workers.settlement.keeper.", "workers.kafka.", "aiokafka.", "aiohttp.")
"""Where exceptions come from whose own text is about connections and offsets, never about what was in a record."""


def configure_logs(level: str = "info") -> None:
    """Sends our lines and those of the libraries to stdout as JSON."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        only_known_fields,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                without_texts,
                structlog.processors.JSONRenderer(serializer=_json),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [output]
    root.setLevel(level.upper())
    for name in ("aiokafka", "aiohttp", "asyncio", "faust", "kafka", "mode", "redis"):
        # Their debug lines print keys and values of records, and commands.
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # Kafka 4 answers the first produce of many a transaction with "not yet"; what does not pass raises in our hands.
    logging.getLogger("aiokafka.producer.sender").setLevel(logging.ERROR)


def get_log() -> Any:
    """A logger: `log.info("took a partition over", partition=3, seq=17)`."""
    return structlog.get_logger("yidan")


def only_known_fields(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Leaves out every field that is not on the list, and says which."""
    unknown = [name for name in line if name not in FIELDS and not name.startswith("_")]
    for name in unknown:
        del line[name]
    if unknown:
        line["left_out"] = sorted(unknown)
    return line


def without_texts(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces an exception by what may be told of it, and cuts the objects that asyncio prints below its messages."""
    error = line.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        line.update(told(error))
    if line.get("logger") == "asyncio":
        line["event"] = str(line["event"]).partition("\n")[0]
    return line


def told(error: BaseException) -> dict[str, Any]:
    """An exception as log fields: its type and where it was raised, and its text only where that cannot quote data."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    fields: dict[str, Any] = {"error": name}
    if isinstance(error, OSError) or name.startswith(TELLING):
        fields["detail"] = str(error)[:500]
    else:
        fields["raised_at"] = list(_places(error))[-8:]
    return fields


def _places(error: BaseException) -> Iterable[str]:
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{frame.filename.rpartition('site-packages/')[2].rpartition('/workers/')[2]}:{frame.lineno} {frame.name}"


def _json(line: Any, **_: Any) -> str:
    return orjson.dumps(line, default=str).decode()


@contextmanager
def lines_to(taker: Callable[[MutableMapping[str, Any]], object]) -> Iterator[None]:
    """Hands every line of ours to `taker` while this lasts, and prints none of them."""

    def take(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        taker(line)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[take],
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        logger_factory=structlog.PrintLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
