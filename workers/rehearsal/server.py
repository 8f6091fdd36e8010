"""The owner's side of a local server: a port, a folder, and the promise that both are free again afterwards.

Methods block in a thread of the executor, not in the event loop, and use no loop of their own: a server may be
started in one loop (a session's fixture) and killed from another (a test).
"""

import asyncio
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"
PORTS_TRIED_MAX = 100
ANSWER_SECONDS_MAX = 15.0
"""What the guard has for one answer, beyond what the request itself allows."""


class RehearsalFailed(Exception):
    """The local stack cannot be had; the message says why and what to do."""


class PortIsBusy(RehearsalFailed):
    """A port that was demanded by number is taken."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} on {HOST} is taken by another program; end it, or ask for another port")
        self.port = port


class ServerDidNotStart(RehearsalFailed):
    """A server ended before it answered, or did not answer in time; its last words are in the message."""


class ServerIsGone(RehearsalFailed):
    """A server was asked for something after it, or its guard, had ended."""


@dataclass(frozen=True, slots=True)
class Program:
    """How one kind of server is started, and how one knows that it is up."""

    name: str
    command: Callable[[Path, int], Sequence[str]]
    """Folder and port to argv."""
    said: bytes
    """What its log says once it listens. An answer alone would not do: the port may be answered by somebody else's
    server while ours is still finding out that it is taken."""
    answers: Callable[[int], bool]
    """Asks on a port, in the server's own protocol; False or OSError is "not yet"."""
    taken: bytes
    """What its log says when the port is taken."""
    before: Callable[[Path, int], Sequence[str] | None] | None = None
    """Prepares the folder for a start on that port; the argv it returns is run to its end first, under the guard."""
    noise: tuple[bytes, ...] = ()
    """Harmless lines of its log, left out of error messages."""
    patience_seconds: float = 20.0
    grace_seconds: float = 10.0


def is_free(port: int) -> bool:
    """Whether a server could listen on the port at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def new_folder() -> Path:
    """A name for a temporary folder; nothing is made yet, so nothing is left behind if nobody comes to make it."""
    return Path(tempfile.gettempdir()) / f"yidan-{os.getpid()}-{os.urandom(4).hex()}"


class Server:
    """One server on loopback, run by a guard of its own.

    `start` finds the port, `close` ends server and guard and removes the folder. In between, tests may `kill` it
    (SIGKILL), `stop` it (SIGTERM), `pause` and `resume` it, and `restart` it on the same folder and port.
    """

    def __init__(self, program: Program, folder: Path, *, port: int | None, preferred_port: int, kept: bool) -> None:
        self.program = program
        self.folder = folder
        self.log = folder / f"{program.name}.log"
        self.port = port or 0
        self.pid = 0
        self._demanded_port = port
        self._preferred_port = preferred_port
        self._kept = kept
        self._guard: subprocess.Popen[bytes] | None = None
        self._unread = b""
        self._turn = threading.RLock()  # one request to the guard at a time
        self._closing = threading.Event()

    @property
    def address(self) -> str:
        """`127.0.0.1:port`."""
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        """Starts it and waits until it answers.

        Raises `PortIsBusy` for a demanded port that is taken, `ServerDidNotStart` with the log's last lines otherwise.
        """
        await asyncio.to_thread(self._start)

    async def restart(self) -> None:
        """Ends it gently if it still runs, and starts it on the same folder and port."""
        await asyncio.to_thread(self._restart)

    async def stop(self) -> int:
        """SIGTERM, and SIGKILL when its grace is over; the exit code, negative for a signal."""
        return await asyncio.to_thread(self._end)

    async def kill(self) -> None:
        """SIGKILL, and gone when this returns: what a crash leaves in the folder is there for `restart`."""
        await asyncio.to_thread(self._signal, signal.SIGKILL)

    async def pause(self) -> None:
        """SIGSTOP: connections stay open and nobody answers, the worst way for a server to be away."""
        await asyncio.to_thread(self._signal, signal.SIGSTOP)

    async def resume(self) -> None:
        """SIGCONT after `pause`."""
        await asyncio.to_thread(self._signal, signal.SIGCONT)

    async def is_running(self) -> bool:
        """Whether the server's process is alive."""
        return await asyncio.to_thread(self._is_running)

    async def close(self) -> None:
        """Ends server and guard and removes the folder; may be called at any time, and twice."""
        await asyncio.to_thread(self.close_at_once)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.close()

    def close_at_once(self) -> None:
        """What `close` does, for callers without a loop."""
        self._closing.set()  # a start that is under way gives up its wait
        with self._turn:
            guard, self._guard = self._guard, None
            if guard is None:
                return
            self._leave(guard)

    def _leave(self, guard: subprocess.Popen[bytes]) -> None:
        grace = self.program.grace_seconds
        try:
            self._ask(guard, {"do": "leave", "grace_seconds": grace}, grace)
            guard.wait(ANSWER_SECONDS_MAX)
        except (ServerIsGone, subprocess.TimeoutExpired):
            guard.kill()  # takes the server along: the kernel sends it the same
            guard.wait()
            if not self._kept:
                shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            for pipe in (guard.stdin, guard.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except BrokenPipeError:
                        pass  # unsent words to a guard that is gone

    def _start(self) -> None:
        with self._turn:
            if self._guard is None:
                self._guard = self._new_guard()
            if self._demanded_port is not None:
                if not is_free(self._demanded_port) or not self._runs_on(self._demanded_port):
                    raise PortIsBusy(self._demanded_port)
                return
            for port in range(self._preferred_port, self._preferred_port + PORTS_TRIED_MAX):
                if is_free(port) and self._runs_on(port):
                    return
        first, last = self._preferred_port, self._preferred_port + PORTS_TRIED_MAX - 1
        raise RehearsalFailed(f"{self.program.name}: every port from {first} to {last} on {HOST} is taken")

    def _restart(self) -> None:
        with self._turn:
            self._end()
            if not self._runs_on(self.port):
                raise PortIsBusy(self.port)

    def _new_guard(self) -> subprocess.Popen[bytes]:
        # Isolated and without site-packages: half the start-up time, and nothing of ours can break it.
        script = [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py"))]
        guard = subprocess.Popen(
            [*script, str(os.getpid()), str(self.folder), "keep" if self._kept else "remove"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")},
        )
        try:
            self._hear(guard, ANSWER_SECONDS_MAX)
        except ServerIsGone as gone:
            self._leave(guard)
            raise ServerDidNotStart(f"{self.program.name}: cannot make {self.folder}") from gone
        return guard

    def _runs_on(self, port: int) -> bool:
        """Starts the server on a port that looks free; False if somebody else was faster."""
        self.port = port
        log_start = self.log.stat().st_size if self.log.exists() else 0
        deadline = time.monotonic() + self.program.patience_seconds
        first = self.program.before(self.folder, port) if self.program.before else None
        if first is not None:
            self._run_to_end(first, log_start, deadline)
        self._launch(self.program.command(self.folder, port))
        while time.monotonic() < deadline:
            ended = self._ended_after_a_moment()
            words = self._words_since(log_start)
            if ended is not None:
                if self.program.taken in words:
                    return False
                raise ServerDidNotStart(f"{self.program.name} ended with {ended}: {self._last_words(words)}")
            if self.program.said in words and self._answers(port):
                return True
        self._end()
        waited = f"{self.program.patience_seconds:.0f} s"
        said = self._last_words(self._words_since(log_start))
        raise ServerDidNotStart(f"{self.program.name} does not answer on port {port} after {waited}: {said}")

    def _run_to_end(self, command: Sequence[str], log_start: int, deadline: float) -> None:
        self._launch(command)
        ended = None
        while ended is None and time.monotonic() < deadline:
            ended = self._ended_after_a_moment()
        if ended != 0:
            words = self._last_words(self._words_since(log_start))
            raise ServerDidNotStart(f"{self.program.name}: its folder cannot be prepared ({ended}): {words}")

    def _launch(self, command: Sequence[str]) -> None:
        self.pid = self._request({"do": "start", "argv": list(command), "log": str(self.log)})["pid"]

    def _ended_after_a_moment(self) -> int | None:
        """The exit code of what was launched, None while it runs; refuses to wait once `close` has been called."""
        if self._closing.wait(0.02):
            raise ServerDidNotStart(f"{self.program.name}: closed while it was starting")
        code: int | None = self._request({"do": "look"})["code"]
        return code

    def _answers(self, port: int) -> bool:
        try:
            return self.program.answers(port)
        except OSError:
            return False

    def _words_since(self, log_start: int) -> bytes:
        with self.log.open("rb") as log:
            log.seek(log_start)
            return log.read()

    def _last_words(self, words: bytes) -> str:
        lines = [
            line
            for line in words.splitlines()
            if line.strip() and not any(noise in line for noise in self.program.noise)
        ]
        return "; ".join(line.decode(errors="replace").strip() for line in lines[-8:]) or "it said nothing"

    def _is_running(self) -> bool:
        with self._turn:
            return self._guard is not None and self._request({"do": "look"})["code"] is None

    def _end(self) -> int:
        grace = self.program.grace_seconds
        return int(self._request({"do": "stop", "grace_seconds": grace}, grace)["code"])

    def _signal(self, number: int) -> None:
        self._request({"do": "signal", "number": int(number)})

    def _request(self, request: dict[str, Any], seconds: float = 0.0) -> dict[str, Any]:
        with self._turn:
            if self._guard is None:
                raise ServerIsGone(f"{self.program.name} has been closed")
            return self._ask(self._guard, request, seconds)

    def _ask(self, guard: subprocess.Popen[bytes], request: dict[str, Any], seconds: float) -> dict[str, Any]:
        assert guard.stdin is not None
        try:
            guard.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError as broken:
            raise ServerIsGone(f"{self.program.name}: its guard is gone") from broken
        return self._hear(guard, seconds + ANSWER_SECONDS_MAX)

    def _hear(self, guard: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        """The guard's next line."""
        assert guard.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([guard.stdout], [], [], left)[0]:
                raise ServerIsGone(f"{self.program.name}: its guard does not answer")
            received = os.read(guard.stdout.fileno(), 65536)
            if not received:
                raise ServerIsGone(f"{self.program.name}: its guard is gone")
            self._unread += received
        line, self._unread = self._unread.split(b"\n", 1)
        heard: dict[str, Any] = json.loads(line)
        return heard
