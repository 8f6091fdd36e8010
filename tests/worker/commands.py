"""Commands of `yidan`, run as somebody would, against the servers of a test."""

import asyncio
import os
import sys
from pathlib import Path

from tests.settlement.rig import Rig
from workers.settings import PREFIX


async def yidan(servers: Rig, *words: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    given = {name: str(value) for name, value in servers.settings().model_dump(mode="json").items()}
    told = ("kafka_bootstrap", "partitions", "journal_from_start", "group")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
        **{f"{PREFIX}{name.upper()}": given[name] for name in told},
        f"{PREFIX}REDIS_URL": servers.stack.redis,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workers", *words),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()
