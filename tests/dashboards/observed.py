"""A run that somebody could have watched: real servers, workers that come and go, a store that is away for a while.

Prometheus scrapes it with the project's own rules and jobs, only more often: two minutes of a county must do.
"""

import asyncio
import functools
import http.server
import json
import shutil
import socket
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml
from aiokafka import AIOKafkaProducer

from contracts.topics import CLEARING_PAYMENTS, RECONCILIATIONS
from tests.dashboards.files import ROOT
from tests.settlement.rig import P, Process, Rig, rig
from workers.rehearsal.proof.load import load
from workers.rehearsal.server import HOST, Program, Server
from workers.settlement.validate import partition_of

PROGRAMS: Final = {"prometheus": "prometheus", "prometheus-redis-exporter": "prometheus-redis-exporter"}
"""Programs that must be here, and the Debian packages that bring them."""

JOBS: Final = ("yidan", "yidan-operate", "yidan-watch", "yidan-redis", "prometheus")
"""Those of ops/prometheus/prometheus.yml that have somebody to ask here: no exporter of Kafka is at hand."""

SCRAPE_SECONDS: Final = 1
EVENTS_PER_SECOND: Final = 60.0

REPLAYED: Final = 3

HISTORY: Final = 4_500
"""So many events are sent at once, before anybody watches: after them every region pays every layer."""


def missing() -> list[str]:
    """Debian packages that would have to be installed."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


class Prometheus(NamedTuple):
    """A server that has seen a run, and when it began and ended."""

    address: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def over_time(self, expression: str, step: float = 1.0) -> list[dict[str, Any]]:
        """Series of the whole run. Raises ValueError for what cannot be read."""
        asked = {"query": expression, "start": self.began, "end": self.ended, "step": step}
        found: list[dict[str, Any]] = self._ask("query_range", asked)["result"]
        return found

    def at_the_end(self, expression: str) -> list[dict[str, Any]]:
        """Series as they are when the run has ended."""
        found: list[dict[str, Any]] = self._ask("query", {"query": expression, "time": self.ended})["result"]
        return found

    def label_values(self, selector: str, label: str) -> list[str]:
        """What a variable offers."""
        asked = {"match[]": selector, "start": self.began, "end": self.ended}
        found: list[str] = self._ask(f"label/{label}/values", asked)
        return found

    def _ask(self, what: str, asked: dict[str, Any]) -> Any:
        address = f"{self.address}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as refused:
            raise ValueError(json.loads(refused.read())["error"]) from None


@asynccontextmanager
async def observed(folder: Path, seconds: float = 32.0) -> AsyncIterator[Prometheus]:
    """A run of so many seconds of feeding, watched; it is over when Prometheus is handed out."""
    watched = folder / "watched"
    watched.mkdir()
    targets = _Targets(folder)
    async with rig(discharges_batch_max=200) as servers:
        with _published(watched) as watch:
            exporter = _free_port()
            async with (
                _started(_exporter(servers, exporter), folder / "exporter", exporter),
                _started(_prometheus(folder), folder / "prometheus", None) as prometheus,
            ):
                targets.add("prometheus", prometheus.address)
                targets.add("yidan-redis", f"{HOST}:{exporter}")
                targets.add("yidan-watch", watch)
                began = time.time()
                await _happens(servers, targets, watched, seconds)
                await asyncio.sleep(4 * SCRAPE_SECONDS)  # rules are evaluated once more after what happened last
                yield Prometheus(f"http://{prometheus.address}", began, time.time())


async def _happens(servers: Rig, targets: "_Targets", watched: Path, seconds: float) -> None:
    """What an operator would have seen."""
    first = await _joined(servers, targets)
    await first.owns(4)
    operate = await servers.start("operate")
    await operate.until(lambda: operate.address, "an address")
    targets.add("yidan-operate", operate.address)
    began = time.monotonic()

    async def at(share: float) -> None:
        await asyncio.sleep(max(0.0, began + share * seconds - time.monotonic()))

    feeding = asyncio.create_task(_fed(servers, int(seconds * EVENTS_PER_SECOND)))
    await at(0.2)
    second = await _joined(servers, targets)
    await at(0.4)
    await _claim(servers)
    await _paid(servers, operate)
    await _looked(servers, watched)
    await at(0.55)
    await servers.stack.store.kill()
    await asyncio.sleep(seconds / 16)
    await servers.stack.store.restart()
    await at(0.75)
    assert await second.terminate() == 0
    await servers.yidan("quarantine", "replay", "--all", "--limit", str(REPLAYED), "--yes")
    await at(0.85)
    third = await _joined(servers, targets)
    await feeding
    for worker in (first, third):
        await _settled(worker)
    await _looked(servers, watched)


async def _fed(servers: Rig, number: int) -> None:
    """What happens in a county, on all input topics: a history at once, then so many events at a walking pace."""
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka, enable_idempotence=True, linger_ms=5)
    await producer.start()
    began = 0.0
    for sent, record in enumerate(islice(load(seed=7), HISTORY + number), start=-HISTORY):
        if sent == 0:
            began = time.monotonic()
        if sent > 0 and sent % 10 == 0:
            await asyncio.sleep(max(0.0, began + sent / EVENTS_PER_SECOND - time.monotonic()))
        partition = (partition_of(record.key or b"", P) + record.astray) % P
        await producer.send(record.topic, record.value, record.key, partition)
    await producer.flush()
    await producer.stop()


async def _joined(servers: Rig, targets: "_Targets") -> Process:
    worker = await servers.start()
    await worker.until(lambda: worker.address, "an address")
    targets.add("yidan", worker.address)
    return worker


async def _settled(worker: Process) -> None:
    """Nothing is left to settle."""
    async with asyncio.timeout(120):
        while await worker.metric("yidan_lag_records"):  # noqa: ASYNC110 - it is asked over HTTP
            await asyncio.sleep(0.2)


async def _claim(servers: Rig) -> None:
    """A hospital asks, and somebody asks what cannot be read."""
    totals = {
        "type": "totals_claimed",
        "msgid": "C1",
        "fixmedins_code": "H33010000001",
        "setl_optins": "331002",
        "insutype": "390",
        "clr_type": "21",
        "stmt_begndate": "2019-01-01",
        "stmt_enddate": "2019-12-31",
        "medfee_sumamt": "1.00",
        "fund_pay_sumamt": "1.00",
        "acct_pay": "0.00",
        "fixmedins_setl_cnt": 1,
    }
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    for message in (totals, {"type": "totals_claimed"}):
        await producer.send_and_wait(RECONCILIATIONS, json.dumps(message).encode(), key=b"H33010000001", partition=0)
    await producer.stop()


async def _paid(servers: Rig, operate: Process) -> None:
    """An office tells that it has paid half of its statements, and once what cannot be counted."""
    _, body = await operate.get("/clearing")
    producer = AIOKafkaProducer(bootstrap_servers=servers.stack.kafka)
    await producer.start()
    due = [each for each in json.loads(body)["statements"] if not each["fund_appy_sum"].startswith(("-", "0.00"))]
    for number, said in enumerate(due[::2]):
        amount = said["fund_appy_sum"] if number else "0.00"
        payment = {
            "type": "statement_paid",
            "payment_id": f"V{number}",
            "statement_id": said["statement_id"],
            "amount": amount,
            "paid_on": "2021-12-30",
            "voucher": f"V{number}",
        }
        key = payment["payment_id"].encode()
        await producer.send(CLEARING_PAYMENTS, json.dumps(payment).encode(), key, partition_of(key, P))
    await producer.flush()
    await producer.stop()


async def _looked(servers: Rig, watched: Path) -> None:
    """What a timer runs beside the workers."""
    for words in (("audit",), ("quarantine", "list")):
        ended = await servers.yidan(*words, "--textfile", str(watched / f"{words[0]}.prom"))
        assert ended.code == 0, ended.err


# ── Prometheus and what it asks ───────────────────────────────────────────────────────────────────────────────


class _Targets:
    """Files in which Prometheus finds whom to ask, each as soon as it is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "targets"
        self._folder.mkdir()
        self._known: dict[str, list[str]] = {job: [] for job in JOBS}

    def add(self, job: str, address: str) -> None:
        self._known[job].append(address.removeprefix("http://"))
        beside = self._folder / f"{job}.new"
        beside.write_text(json.dumps([{"targets": self._known[job]}]))
        beside.rename(self._folder / f"{job}.json")


def _configuration(folder: Path) -> Path:
    """The project's own, with other addresses and shorter intervals."""
    ours = ROOT / "ops" / "prometheus"
    config = yaml.safe_load((ours / "prometheus.yml").read_text("utf-8"))
    config["global"] = {"scrape_interval": f"{SCRAPE_SECONDS}s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    assert set(JOBS) <= {job["job_name"] for job in config["scrape_configs"]}
    config["scrape_configs"] = [
        {"job_name": job, "file_sd_configs": [{"files": [str(folder / "targets" / f"{job}.json")]}]} for job in JOBS
    ]
    (folder / "rules").mkdir()
    for path in (ours / "rules").glob("*.yml"):
        rules = yaml.safe_load(path.read_text("utf-8"))
        for group in rules["groups"]:
            group.pop("interval", None)
        (folder / "rules" / path.name).write_text(yaml.safe_dump(rules, allow_unicode=True), "utf-8")
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(config), "utf-8")
    return written


def _prometheus(folder: Path) -> Program:
    config = _configuration(folder)
    return Program(
        name="prometheus",
        command=lambda at, port: [
            shutil.which("prometheus") or "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={at / 'series'}",
            f"--web.listen-address={HOST}:{port}",
        ],
        said=b"Server is ready to receive web requests",
        answers=functools.partial(_answers, "/-/ready"),
        taken=b"address already in use",
    )


def _exporter(servers: Rig, port: int) -> Program:
    return Program(
        name="redis-exporter",
        command=lambda _, port: [
            shutil.which("prometheus-redis-exporter") or "prometheus-redis-exporter",
            f"-redis.addr={servers.stack.redis}",
            f"-web.listen-address={HOST}:{port}",
        ],
        said=b"",
        answers=functools.partial(_answers, "/metrics"),
        taken=b"address already in use",
    )


def _answers(path: str, port: int) -> bool:
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=2) as answer:
        return bool(answer.status == 200)


@asynccontextmanager
async def _started(program: Program, folder: Path, port: int | None) -> AsyncIterator[Server]:
    server = Server(program, folder, port=port, preferred_port=port or _free_port(), kept=False)
    try:
        await server.start()
        yield server
    finally:
        await server.close()


@contextmanager
def _published(folder: Path) -> Iterator[str]:
    """The files of a folder on one page, as a node exporter publishes them."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            for path in sorted(folder.glob("*.prom")):
                self.wfile.write(path.read_bytes())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer((HOST, 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _free_port() -> int:
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        port: int = tried.getsockname()[1]
        return port
