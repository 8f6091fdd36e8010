"""What a worker says when it and a server do not come together: one clear line, the right exit code, and no secret."""

from pathlib import Path
from typing import Any

import pytest

from tests.security.authority import Authority
from tests.security.servers import Secured, password_of, redis_over_tls, with_servers
from workers.exits import Exit
from workers.rehearsal.server import HOST, Server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(200),
]


def told(servers: Secured, case: str) -> dict[str, Any]:
    """The settings that are wrong."""
    other = Authority(servers.folder / f"other-{case}", "other")
    match case:
        case "wrong authority":
            return {"kafka_tls_ca_file": other.certificate}
        case "expired certificate":
            return {"kafka_bootstrap": servers.kafka_expired, "kafka_security_protocol": "SSL"}
        case "another host's certificate":
            return {"kafka_bootstrap": servers.kafka_misnamed, "kafka_security_protocol": "SSL"}
        case "wrong password":
            return {"kafka_sasl_password": "geheim-of-nobody"}
        case "unknown user":
            return {"kafka_sasl_username": "nobody"}
        case "another mechanism":
            return {"kafka_sasl_mechanism": "SCRAM-SHA-256"}
        case "no password asked for":
            return {"kafka_security_protocol": "SSL"}
        case "in the clear":
            return {"kafka_security_protocol": "PLAINTEXT"}
        case "nobody listens":
            return {"kafka_bootstrap": f"{HOST}:1"}
        case "no certificate of ours":
            return {"kafka_bootstrap": servers.kafka_mutual, "kafka_security_protocol": "SSL"}
    ours = (
        servers.authority.issue("late", expired=True)
        if case == "our certificate has expired"
        else other.issue("worker")
    )
    return {
        "kafka_bootstrap": servers.kafka_mutual,
        "kafka_security_protocol": "SSL",
        "kafka_tls_cert_file": ours.certificate,
        "kafka_tls_key_file": ours.key,
    }


async def last_words(servers: Secured, **changes: Any) -> tuple[int, str]:
    """How a worker ended, and what it said last of it. Whatever it said, no secret was among it."""
    async with servers.running(
        "worker", "work", **{"redis_user": "worker", "start_timeout_s": 2.0, **changes}
    ) as worker:
        code = await worker.wait()
        said = "".join(worker.lines)
        assert "geheim" not in said
        assert "Traceback" not in said
        (end,) = worker.said("worker ends")
        return code, str(end["detail"])


@with_servers
@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        ("wrong authority", Exit.CONFIGURATION, "certificate is not accepted: unable to get local issuer certificate"),
        ("expired certificate", Exit.CONFIGURATION, "certificate is not accepted: certificate has expired"),
        ("another host's certificate", Exit.CONFIGURATION, f"certificate is not valid for '{HOST}'"),
        ("wrong password", Exit.CONFIGURATION, "refuses the password of worker"),
        ("unknown user", Exit.CONFIGURATION, "refuses the password of nobody, or knows no such user"),
        ("another mechanism", Exit.CONFIGURATION, "does not offer SCRAM-SHA-256"),
        ("no certificate of ours", Exit.CONFIGURATION, "does not accept us without a certificate"),
        ("our certificate has expired", Exit.CONFIGURATION, "does not accept our certificate"),
        ("our certificate is another authority's", Exit.CONFIGURATION, "does not accept our certificate"),
        ("no password asked for", Exit.UNAVAILABLE, "is SSL what this listener speaks?"),
        ("in the clear", Exit.UNAVAILABLE, "is PLAINTEXT what this listener speaks?"),
        ("nobody listens", Exit.UNAVAILABLE, "Connect call failed"),
    ],
)
async def test_a_broker_that_does_not_take_us_is_told_with_the_reason(
    servers: Secured, case: str, code: Exit, words: str
):
    changes = told(servers, case)
    ended, said = await last_words(servers, **changes)
    assert (ended, words in said) == (code, True), said
    command = await servers.yidan("worker", "topics", "check", **changes)
    assert command.code == Exit.UNAVAILABLE
    assert words in command.err.splitlines()[-1]
    assert "geheim" not in command.err + command.out
    assert "Traceback" not in command.err


@with_servers
@pytest.mark.parametrize(
    ("case", "code", "words"),
    [
        ("wrong password", Exit.CONFIGURATION, "invalid username-password pair"),
        ("no password", Exit.CONFIGURATION, "AuthenticationError"),
        ("wrong authority", Exit.CONFIGURATION, "certificate verify failed"),
        ("expired certificate", Exit.CONFIGURATION, "certificate has expired"),
        ("another host's certificate", Exit.CONFIGURATION, f"certificate is not valid for '{HOST}'"),
        ("in the clear", Exit.UNAVAILABLE, "does it expect TLS? Then write rediss://"),
        ("nobody listens", Exit.UNAVAILABLE, "Connect call failed"),
    ],
)
async def test_a_store_that_does_not_take_us_is_told_with_the_reason(
    servers: Secured, tmp_path: Path, case: str, code: Exit, words: str
):
    shown = servers.authority.issue(
        "store",
        hosts=("redis-1.example",) if case == "another host's certificate" else (HOST,),
        expired=case == "expired certificate",
    )
    program = redis_over_tls(servers.authority, shown, answers=lambda _: True)
    async with Server(program, tmp_path / "redis", port=None, preferred_port=36_500, kept=True) as store:
        await store.start()
        at, password = store.address, password_of("worker")
        changes: dict[str, Any] = {"redis_url": f"rediss://worker:{password}@{at}/0"}
        match case:
            case "wrong password":
                changes["redis_url"] = f"rediss://worker:geheim-of-nobody@{at}/0"
            case "no password":
                changes["redis_url"] = f"rediss://{at}/0"
            case "in the clear":
                changes["redis_url"] = f"redis://worker:{password}@{at}/0"
            case "nobody listens":
                changes["redis_url"] = f"rediss://worker:{password}@{HOST}:1/0"
            case "wrong authority":
                changes["redis_tls_ca_file"] = Authority(tmp_path / "other", "other").certificate
        ended, said = await last_words(servers, **changes)
        assert (ended, words in said) == (code, True), said
        command = await servers.yidan("desk", "year", "P330000000001", "2021", **changes)
        assert command.code == Exit.UNAVAILABLE
        assert words.partition("; does it")[0].partition("does it")[0] in command.err
        assert "geheim" not in command.err + command.out
        assert "Traceback" not in command.err
