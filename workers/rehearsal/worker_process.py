"""A settlement worker in a process of its own, held like every server of the rehearsal."""

import os
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from workers.rehearsal.server import HOST, Program
from workers.settings import PREFIX


def worker_program(told: Mapping[str, str], *, asked: str = "readyz") -> Program:
    """`yidan work` with these settings and no others. It is up once the page `asked` answers 200."""
    others = [name for name in os.environ if name.startswith(PREFIX)]

    def command(_folder: Path, port: int) -> Sequence[str]:
        unset = [word for name in others for word in ("-u", name)]
        # The code that asks for a worker is the code that the worker runs, wherever else a `workers` is installed.
        given = {**told, "YIDAN_HTTP_PORT": str(port), "PYTHONPATH": str(Path(__file__).parents[2])}
        words = [f"{name}={value}" for name, value in given.items()]
        return ["/usr/bin/env", *unset, *words, sys.executable, "-m", "workers", "work"]

    def answers(port: int) -> bool:
        with urllib.request.urlopen(f"http://{HOST}:{port}/{asked}", timeout=1) as answer:
            return bool(answer.status == 200)

    return Program(
        name="worker",
        command=command,
        said=b'"listening"',
        answers=answers,
        taken=b"address already in use",
        patience_seconds=30.0,
        grace_seconds=30.0,
    )
