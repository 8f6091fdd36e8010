"""An event loop whose clock jumps to the next timer, and processes that it can stop and kill between any two steps.

A process is whatever was started in its context: all its tasks, timers and callbacks carry it. One that is stopped has
its steps put aside until it goes on, as after SIGCONT; one that is killed never takes another and cleans nothing up.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final

PHASES: Final = {"Seats._take_over": "take-over", "Seats._repair": "repair"}
"""The worker's errands beside its loop, and what a trace calls them."""

TURN: Final = "turn"


class Handle:
    """A step to be taken, as `asyncio.Handle`."""

    __slots__ = ("arguments", "callback", "context", "dropped", "due")

    def __init__(self, callback: Callable[..., Any], arguments: tuple[Any, ...], context: Context, due: float) -> None:
        self.callback = callback
        self.arguments = arguments
        self.context = context
        self.due = due
        self.dropped = False

    def cancel(self) -> None:
        """Not to be taken after all."""
        self.dropped = True

    def cancelled(self) -> bool:
        """Whether it was."""
        return self.dropped

    def when(self) -> float:
        """The time it is due."""
        return self.due


class Process:
    """An operating system's process, as far as its event loop can tell."""

    def __init__(self, loop: "VirtualLoop", name: str) -> None:
        self.loop = loop
        self.name = name
        self.dead = False
        self.wakes_at: float | None = None
        self.put_aside: list[Handle] = []
        self.steps_left: int | None = None
        """After so many more steps it is struck, wherever it then stands."""
        self.strike: Callable[[Process], None] = Process.kill
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    @property
    def frozen(self) -> bool:
        """Whether it takes no steps."""
        return self.dead or self.wakes_at is not None

    def start(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Runs a coroutine as this process."""
        return self.loop.create_task(coroutine, context=self.context)

    def kill(self) -> None:
        """SIGKILL."""
        self.dead = True

    def stop(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT after a while."""
        if not self.frozen:
            self.wakes_at = self.loop.now + seconds
            self.loop.call_at(self.wakes_at, self.go_on, context=WORLD)

    def go_on(self) -> None:
        """SIGCONT. What was due meanwhile is done first, in its order."""
        self.wakes_at = None
        if not self.dead:
            self.release()

    def release(self) -> None:
        """Puts back what was put aside."""
        self.loop.ready.extend(self.put_aside)
        self.put_aside.clear()

    def step(self, handle: Handle) -> None:
        """Takes a step of this process, or puts it aside."""
        if self.steps_left is not None and not self.frozen:
            self.steps_left -= 1
            if self.steps_left <= 0:
                self.steps_left = None
                self.strike(self)
        if self.frozen:
            self.put_aside.append(handle)
        else:
            handle.context.run(handle.callback, *handle.arguments)


PROCESS: Final[ContextVar[Process]] = ContextVar("process")
PHASE: Final[ContextVar[str]] = ContextVar("phase", default=TURN)
WORLD: Final = Context()
"""What belongs to no process."""


class VirtualLoop(asyncio.AbstractEventLoop):
    """Only what asyncio itself asks of a loop, without a selector: a seed must cost milliseconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self.steps = 0
        self.ready: deque[Handle] = deque()
        self.troubles: list[str] = []
        """What tasks raised that nobody looked at."""
        self._timers: list[tuple[float, int, Handle]] = []
        self._count = 0

    # ── what asyncio asks ─────────────────────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self.now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        """In the next round."""
        handle = Handle(callback, args, copy_context() if context is None else context, self.now)
        self.ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        """In a while."""
        return self.call_at(self.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Handle:
        """At a time; what is due at the same time comes in the order in which it was asked for."""
        handle = Handle(callback, args, copy_context() if context is None else context, when)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, handle))
        return handle

    def create_future(self) -> "asyncio.Future[Any]":
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        """A task of the process in whose context this is called; an errand carries its phase from here on."""
        phase = PHASES.get(getattr(coro, "__qualname__", ""))
        if phase is not None:
            context = copy_context()
            context.run(PHASE.set, phase)
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def get_debug(self) -> bool:
        """Never: seeds are many."""
        return False

    def is_running(self) -> bool:
        """As far as anybody who asks can see."""
        return True

    def is_closed(self) -> bool:
        """It holds nothing to close."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keeps what a task raised in vain; one that dies with its process has nothing to say."""
        error = context.get("exception")
        if error is not None:
            self.troubles.append(f"{context.get('message')}: {error!r}")

    # ── going round ───────────────────────────────────────────────────────────────────────────────────────────

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Runs until a coroutine has ended. A world with nothing to wait for is stuck, and says so."""
        asyncio._set_running_loop(self)
        try:
            task = WORLD.copy().run(self.create_task, coroutine)
            while not task.done():
                self._round()
            return task.result()
        finally:
            asyncio._set_running_loop(None)

    def _round(self) -> None:
        if not self.ready:
            self._advance()
        for _ in range(len(self.ready)):
            handle = self.ready.popleft()
            if handle.dropped:
                continue
            self.steps += 1
            process = handle.context.get(PROCESS)
            if process is None:
                handle.context.run(handle.callback, *handle.arguments)
            else:
                process.step(handle)

    def _advance(self) -> None:
        """To the next timer, and everything due with it."""
        timers = self._timers
        while timers and timers[0][2].dropped:
            heapq.heappop(timers)
        if not timers:
            raise RuntimeError("nothing is left to wait for")
        self.now = timers[0][0]
        while timers and timers[0][0] <= self.now:
            handle = heapq.heappop(timers)[2]
            if not handle.dropped:
                self.ready.append(handle)
