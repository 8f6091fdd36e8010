"""What a supervisor and Prometheus ask of a worker: `/healthz`, `/readyz`, `/metrics`."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

SHUTDOWN_SECONDS: Final = 1.0

Troubles = Callable[[], Awaitable[list[str]]]
"""Says what is wrong, one reason each; empty when nothing is."""


class HealthPage:
    """A small server beside the loop. It has no opinions: it asks."""

    def __init__(self, host: str, port: int, *, alive: Troubles, ready: Troubles, metrics: Callable[[], bytes]) -> None:
        self._host = host
        self._port = port

        async def healthz(_: web.Request) -> web.Response:
            return _answer(await alive())

        async def readyz(_: web.Request) -> web.Response:
            return _answer(await ready())

        async def page(_: web.Request) -> web.Response:
            return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

        application = web.Application()
        application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", page)])
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)

    async def start(self) -> str:
        """Listens; the address, with the port that was taken where none was asked for."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Closes the socket."""
        await self._runner.cleanup()


def _answer(found: list[str]) -> web.Response:
    return web.json_response({"ok": not found, "troubles": found}, status=503 if found else 200)
