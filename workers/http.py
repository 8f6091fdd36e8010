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
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", lambda _: self._answer(alive)),
                web.get("/readyz", lambda _: self._answer(ready)),
                web.get("/metrics", lambda _: self._page(metrics)),
            ]
        )
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

    @staticmethod
    async def _answer(troubles: Troubles) -> web.Response:
        found = await troubles()
        return web.json_response({"ok": not found, "troubles": found}, status=503 if found else 200)

    @staticmethod
    async def _page(metrics: Callable[[], bytes]) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})
