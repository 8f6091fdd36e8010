"""What a supervisor gets to see."""

from aiohttp import ClientSession

from workers.http import HealthPage


async def test_troubles_are_503_and_named_and_no_trouble_is_200():
    wrong: list[str] = []

    async def troubles() -> list[str]:
        return wrong

    async def none() -> list[str]:
        return []

    page = HealthPage("127.0.0.1", 0, alive=none, ready=troubles, metrics=lambda: b"yidan_x 1\n")
    address = await page.start()
    try:
        async with ClientSession() as session:
            async with session.get(f"{address}/healthz") as answer:
                assert (answer.status, await answer.json()) == (200, {"ok": True, "troubles": []})
            wrong.append("partition 3 is stopped")
            async with session.get(f"{address}/readyz") as answer:
                assert (answer.status, await answer.json()) == (503, {"ok": False, "troubles": wrong})
            async with session.get(f"{address}/metrics") as answer:
                assert answer.headers["Content-Type"].startswith("text/plain; version=")
                assert await answer.text() == "yidan_x 1\n"
    finally:
        await page.stop()
