"""A real Apache Kafka 4 (KRaft, one node) on loopback, for what the embedded broker cannot prove.

Its jars come from `make kafka`; it needs Java 17 or later and this checkout, since pom, settings and jars are in
`ops/kafka`. Started and ended like every server of the rehearsal: by a guard, leaving nothing behind.
"""

import base64
import os
import re
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from workers.rehearsal.answers import kafka_answers
from workers.rehearsal.server import HOST, Program, RehearsalFailed, Server

OPS = Path(__file__).parents[2] / "ops" / "kafka"
HEAP = "-Xmx512m"
JAVA_AT_LEAST = 17
JAVA_SECONDS_MAX = 20.0


class Proxied(NamedTuple):
    """A second listener, for clients that reach the broker through a proxy: it names the proxy's port, not its own."""

    port: int
    advertised: int


def apache_kafka(
    at: Path, *, port: int | None, preferred_port: int, kept: bool, proxied: Proxied | None = None
) -> Server:
    """A broker that is not started yet; `workers.rehearsal.stack.start_broker(broker="apache")` starts one."""
    return Server(apache_program(proxied), at / "kafka", port=port, preferred_port=preferred_port, kept=kept)


def apache_program(
    proxied: Proxied | None = None,
    *,
    further: Callable[[Path, int], str] = lambda _folder, _port: "",
    format_words: Sequence[str] = (),
    answers: Callable[[int], bool] = kafka_answers,
) -> Program:
    """How a broker is run. `further` settings, by folder and port, win over ours.

    `format_words` go with its first start. A broker that speaks to nobody without TLS needs its own `answers`.
    """
    java, jars = _java(), _jars()
    logging = f"-Dlog4j2.configurationFile={OPS / 'log4j2.properties'}"
    run = [java, HEAP, "-XX:ActiveProcessorCount=2", logging, "-cp", jars]

    def settings(folder: Path) -> Path:
        return folder / "server.properties"

    def format_log(folder: Path, port: int) -> Sequence[str] | None:
        """The one-off step before the first start; the log keeps its cluster's name over restarts."""
        template = Template((OPS / "server.properties").read_text())
        more = ("", "") if proxied is None else tuple(f",PROXIED://{HOST}:{at}" for at in proxied)
        written = template.substitute(
            port=port,
            controller_port=free_port(),
            folder=folder,
            also_listens=more[0],
            also_advertised=more[1],
        )
        settings(folder).write_text(written + further(folder, port))
        if (folder / "data" / "meta.properties").exists():
            return None
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One name in 64 begins with "-": only written with "=" it is not taken for an option.
        words = ["kafka.tools.StorageTool", "format", f"--cluster-id={name}", "--config", str(settings(folder))]
        return [*run, *words, *format_words]

    def command(folder: Path, _port: int) -> Sequence[str]:
        return [*run, "kafka.Kafka", str(settings(folder))]

    return Program(
        name="apache-kafka",
        command=command,
        before=format_log,
        said=b"Kafka Server started",
        answers=answers,
        taken=b"Address already in use",
        patience_seconds=90.0,
        grace_seconds=30.0,
    )


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    mend = "on Debian: apt-get install openjdk-17-jre-headless"
    if java is None:
        raise RehearsalFailed(f"Apache Kafka needs Java {JAVA_AT_LEAST} or later, and there is no `java` here; {mend}")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=JAVA_SECONDS_MAX, check=False)
    found = re.search(r'version "(\d+)', told.stderr)
    if found is None or int(found[1]) < JAVA_AT_LEAST:
        said = found[0] if found else "of a version it does not tell"
        raise RehearsalFailed(f"Apache Kafka needs Java {JAVA_AT_LEAST} or later; {java} is {said}; {mend}")
    return java


def _jars() -> str:
    if not (OPS / "lib" / ".fetched").exists():
        raise RehearsalFailed(f"the jars of Apache Kafka are not in {OPS / 'lib'}; `make kafka` brings them")
    return f"{OPS / 'lib'}/*"


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])
