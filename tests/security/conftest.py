"""Servers that speak to nobody without TLS and a password, started once for each file of tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.security.servers import Secured, secured


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def servers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Secured]:
    async with secured(tmp_path_factory.mktemp("secured")) as found:
        made = await found.yidan("operator", "topics", "apply")
        assert made.code == 0, made.err
        yield found
