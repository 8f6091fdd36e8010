"""Holds one server for its owner, and leaves nothing behind when the owner is gone, however it went.

Run as a script of its own by `workers.rehearsal.server`, never imported. A process between owner and server, because no
single trick does the whole job: a signal handler or `atexit` is not run on `kill -9`; Linux's parent-death signal
(PR_SET_PDEATHSIG) fires when the *thread* that forked ends, which in a program with an executor is any time, and it
removes no folder. The guard is single-threaded, so the death signal between it and the server means what it says. It
sits in a session of its own, so a Ctrl-C in the owner's terminal reaches neither it nor the server, and the owner can
finish its work with the server still there.

It takes JSON lines on standard input and answers each with one line:

    {"do": "start", "argv": [...], "log": PATH}  ->  {"pid": N}
    {"do": "look"}                               ->  {"code": null | N}      null: it runs
    {"do": "signal", "number": N}                ->  {"code": null | N}      9 is waited for
    {"do": "stop", "grace_seconds": S}           ->  {"code": N}             SIGTERM, then SIGKILL
    {"do": "leave", "grace_seconds": S}          ->  {"code": N}             stop, tidy up, end

End of input, another parent process than at the start, or a SIGTERM to the guard count as `leave`.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from types import FrameType
from typing import Any

LOOK_SECONDS = 0.5
"""How often the guard looks whether its owner lives. End of input tells at once, unless a forked child of the owner
holds the pipe open."""

GRACE_SECONDS = 5.0
"""What a server is given to end by itself when nobody is left to say otherwise."""

PR_SET_PDEATHSIG = 1


class Guard:
    """One folder and at most one server in it."""

    def __init__(self, owner: int, folder: str, kept: bool) -> None:
        self.owner, self.folder, self.kept = owner, folder, kept
        self.server: subprocess.Popen[bytes] | None = None
        self.told_to_leave = False
        self.pid = os.getpid()
        self.libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork

    def serve(self) -> None:
        """Answers until the owner says `leave` or is gone; then nothing is left running and no folder left."""
        grace = GRACE_SECONDS
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)  # noqa: PTH103  (pathlib would cost a third of the start)
            answer({})
            unread = b""
            while not self.told_to_leave and os.getppid() == self.owner:
                if not select.select([0], [], [], LOOK_SECONDS)[0]:
                    continue
                received = os.read(0, 65536)
                if not received:
                    break
                *lines, unread = (unread + received).split(b"\n")
                for line in lines:
                    request = json.loads(line)
                    if request["do"] == "leave":
                        self.told_to_leave, grace = True, request["grace_seconds"]
                    else:
                        answer(self.obey(request))
        except BrokenPipeError:
            pass
        finally:
            code = self.stop(grace)
            self.tidy_up()
        if self.told_to_leave:
            answer({"code": code})

    def obey(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carries out one request."""
        match request["do"]:
            case "start":
                with open(request["log"], "ab") as log:  # noqa: PTH123
                    self.server = subprocess.Popen(
                        request["argv"],
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        cwd=self.folder,
                        preexec_fn=self.die_with_guard,  # noqa: PLW1509  (one thread: nothing can hold a lock)
                    )
                return {"pid": self.server.pid}
            case "signal" if self.server is not None and self.server.poll() is None:
                self.server.send_signal(request["number"])
                if request["number"] == signal.SIGKILL:
                    self.server.wait()
                return {"code": self.server.poll()}
            case "stop":
                return {"code": self.stop(request["grace_seconds"])}
            case _:
                return {"code": -1 if self.server is None else self.server.poll()}

    def die_with_guard(self) -> None:
        """In the child, before its program: the kernel is to end it when the guard ends, even by `kill -9`."""
        if self.libc is not None:
            self.libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self.pid:
                os._exit(1)  # it ended between the fork and the line above

    def stop(self, grace_seconds: float) -> int:
        """Ends the server, gently for `grace_seconds`; a stopped (SIGSTOP) one is woken first to hear it."""
        if self.server is None:
            return 0
        if self.server.poll() is None:
            self.server.terminate()
            self.server.send_signal(signal.SIGCONT)
            try:
                self.server.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self.server.kill()
        return self.server.wait()

    def tidy_up(self) -> None:
        """Removes the folder, and the one above it if this was the last guard in there."""
        if not self.kept:
            shutil.rmtree(self.folder, ignore_errors=True)
            try:
                os.rmdir(os.path.dirname(self.folder))  # noqa: PTH106, PTH120
            except OSError:
                pass  # another guard's folder is still in it; that guard will remove both


def answer(message: dict[str, Any]) -> None:
    """One line to the owner; that the owner is gone shows at the next read."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        pass


def main() -> None:
    guard = Guard(owner=int(sys.argv[1]), folder=sys.argv[2], kept=sys.argv[3] == "keep")

    def leave(_number: int, _frame: FrameType | None) -> None:
        guard.told_to_leave = True

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    guard.serve()


if __name__ == "__main__":
    main()
