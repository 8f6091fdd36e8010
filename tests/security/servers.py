"""A Kafka and a Redis as they stand in a data centre: TLS only, a password for everyone, and the runbook's rights."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest

from tests.security.access import OPERATIONS, Right, rights, store_users
from tests.security.authority import Authority, Issued
from tests.settlement.rig import Ended, Process, process_environment, run_yidan
from workers.kafka.connection import connection
from workers.rehearsal import apache
from workers.rehearsal.apache import apache_program, free_port
from workers.rehearsal.server import HOST, Program, Server
from workers.settings import Settings

PRINCIPALS = ("broker", *sorted({right.principal for right in rights()}), "stranger")
ALLOW = 3
"""Kafka's code for a right that is given."""

JARS = apache.OPS / "lib" / ".fetched"


def missing() -> str:
    """What this machine lacks for these servers; empty where it has everything."""
    if not JARS.exists() or shutil.which("java") is None:
        return "Apache Kafka is not here: Java 17, and `make kafka` for the jars"
    binary = shutil.which("redis-server")
    if binary is None:
        return "Redis is not here: apt-get install redis-server"
    # With nowhere to listen it ends at once, and one that was built without TLS does not get so far.
    probe = [binary, "--port", "0", "--tls-port", "0", "--save", "", "--dir", "/tmp"]
    told = subprocess.run(probe, capture_output=True, timeout=10, check=False)
    return "" if b"not listen anywhere" in told.stdout else "this redis-server was built without TLS"


with_servers = pytest.mark.skipif(bool(missing()), reason=missing() or "all is here")


def password_of(principal: str) -> str:
    """Every principal's own, at broker and store; easy to look for in what is printed."""
    return f"geheim-of-{principal}"


@dataclass
class Secured:
    """The servers, and clients of ours on them under the name of a principal."""

    folder: Path
    authority: Authority
    kafka: str
    """The listener that asks for a password."""
    kafka_mutual: str
    """The listener that asks for a certificate."""
    kafka_expired: str
    """A listener that shows a certificate whose time is over."""
    kafka_misnamed: str
    """A listener that shows a certificate of another host."""
    redis: str
    """`host:port`"""
    broker: Server
    store: Server

    def told(self, principal: str, *, redis_user: str = "desk", **changes: Any) -> dict[str, Any]:
        """The settings of a client that is this principal."""
        return {
            "kafka_bootstrap": self.kafka,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_username": principal,
            "kafka_sasl_password": password_of(principal),
            "kafka_tls_ca_file": self.authority.certificate,
            "redis_url": f"rediss://{redis_user}:{password_of(redis_user)}@{self.redis}/0",
            "redis_tls_ca_file": self.authority.certificate,
            "partitions": 2,
            "replication_factor": 1,
            "min_insync": 1,
            "http_port": 0,
            "operate_http_port": 0,
            "operate_metrics_port": 0,
            "session_timeout_s": 6.0,
            "start_timeout_s": 4.0,
            "kafka_request_timeout_s": 5.0,
            **changes,
        }

    def settings(self, principal: str, **changes: Any) -> Settings:
        """The same for a client in this process."""
        return Settings(**self.told(principal, **changes))

    async def yidan(self, principal: str, *words: str, **changes: Any) -> Ended:
        """A command of ours, to its end."""
        return await run_yidan(words, process_environment(self.told(principal, **changes)))

    @asynccontextmanager
    async def running(self, principal: str, *words: str, **changes: Any) -> AsyncIterator[Process]:
        """A process of ours, until the block ends."""
        process = await Process(self.told(principal, **changes), words).start()
        try:
            yield process
        finally:
            await process.kill()

    async def give(self, given: Iterable[Right]) -> None:
        """Gives rights."""
        await self._each(
            CreateAclsRequest(right.kind, right.name, right.pattern, f"User:{right.principal}", "*", code, ALLOW)
            for right in given
            if (code := OPERATIONS[right.operation])
        )

    async def take_away(self, right: Right) -> None:
        """Takes one right away."""
        principal, code = f"User:{right.principal}", OPERATIONS[right.operation]
        await self._each([DeleteAclsRequest(right.kind, right.name, right.pattern, principal, "*", code, ALLOW)])

    async def _each(self, requests: Iterable[Any]) -> None:
        admin = AIOKafkaAdminClient(**connection(self.settings("broker")))
        await admin.start()
        try:
            for request in requests:
                answer = await admin._send_request(request)
                for code, message, *_ in getattr(answer, "creation_responses", getattr(answer, "filter_responses", ())):
                    assert code == 0, message
        finally:
            await admin.close()


@asynccontextmanager
async def secured(folder: Path) -> AsyncIterator[Secured]:
    """Both servers with everybody's rights, and no topics yet."""
    authority = Authority(folder / "authority")
    server = authority.issue("broker", hosts=(HOST, "localhost"))
    listeners = {
        "MUTUAL": server,
        "EXPIRED": authority.issue("expired", hosts=(HOST,), expired=True),
        "MISNAMED": authority.issue("misnamed", hosts=("kafka-1.example",)),
    }
    ports = {name: free_port() for name in listeners}
    broker = Server(_kafka(authority, listeners, ports), folder / "kafka", port=None, preferred_port=39_092, kept=True)
    store = Server(redis_over_tls(authority, server), folder / "redis", port=None, preferred_port=36_379, kept=True)
    async with AsyncExitStack() as until_the_end:
        for each in (broker, store):
            until_the_end.push_async_callback(each.close)
        await asyncio.gather(broker.start(), store.start())
        at = {name: f"{HOST}:{port}" for name, port in ports.items()}
        found = Secured(
            folder,
            authority,
            broker.address,
            at["MUTUAL"],
            at["EXPIRED"],
            at["MISNAMED"],
            store.address,
            broker,
            store,
        )
        await found.give(rights())
        yield found


def _kafka(authority: Authority, shown: Mapping[str, Issued], ports: Mapping[str, int]) -> Program:
    """One node whose clients come with a password or, on the listener MUTUAL, with a certificate."""

    def settings(folder: Path, port: int) -> str:
        controller = free_port()
        listen = ",".join([f"SASL_SSL://{HOST}:{port}", *(f"{name}://{HOST}:{at}" for name, at in ports.items())])
        kinds = ",".join(f"{name}:SSL" for name in (*ports, "CONTROLLER"))
        stores = "\n".join(
            f"listener.name.{name.lower()}.ssl.keystore.{word}"
            for name, issued in shown.items()
            for word in ("type=PEM", f"location={issued.both}")
        )
        return f"""
            listeners={listen},CONTROLLER://{HOST}:{controller}
            advertised.listeners={listen}
            controller.quorum.voters=1@{HOST}:{controller}
            listener.security.protocol.map=SASL_SSL:SASL_SSL,{kinds}
            inter.broker.listener.name=MUTUAL
            sasl.enabled.mechanisms=SCRAM-SHA-512
            listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={_SCRAM} required;
            listener.name.mutual.ssl.client.auth=required
            listener.name.controller.ssl.client.auth=required
            ssl.principal.mapping.rules=RULE:^CN=([a-z]+)$/$1/
            ssl.keystore.type=PEM
            ssl.keystore.location={shown["MUTUAL"].both}
            ssl.truststore.type=PEM
            ssl.truststore.location={authority.certificate}
            authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
            super.users=User:broker
            allow.everyone.if.no.acl.found=false
            {stores}
        """

    return apache_program(
        further=settings,
        format_words=[
            word
            for name in PRINCIPALS
            for word in ("--add-scram", f"SCRAM-SHA-512=[name={name},password={password_of(name)}]")
        ],
        answers=lambda port: _greets(authority, port),
    )


_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


def redis_over_tls(authority: Authority, server: Issued, *, answers: Callable[[int], bool] | None = None) -> Program:
    """A store without a port in the clear, whose default user is off."""

    def write_users(folder: Path, _port: int) -> Sequence[str] | None:
        users = [f"user {name} on >{password_of(name)} {words}" for name, words in store_users().items()]
        users += ["user default off", f"user broker on >{password_of('broker')} ~* +@all"]
        (folder / "users.acl").write_text("".join(f"{line}\n" for line in users))
        return None

    def command(folder: Path, port: int) -> Sequence[str]:
        told = {
            "bind": HOST,
            "port": "0",
            "tls-port": str(port),
            "tls-cert-file": str(server.certificate),
            "tls-key-file": str(server.key),
            "tls-ca-cert-file": str(authority.certificate),
            "tls-auth-clients": "optional",
            "aclfile": str(folder / "users.acl"),
            "dir": str(folder),
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        return ["redis-server", *(word for name, value in told.items() for word in (f"--{name}", value))]

    return Program(
        name="redis",
        command=command,
        before=write_users,
        said=b"Ready to accept connections",
        answers=answers or (lambda port: _greets(authority, port)),
        taken=b"Address already in use",
    )


def _greets(authority: Authority, port: int) -> bool:
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with socket.create_connection((HOST, port), timeout=2.0) as plain:
        with context.wrap_socket(plain, server_hostname=HOST) as closed:
            return closed.version() is not None


__all__ = ["Secured", "password_of", "redis_over_tls", "secured", "with_servers"]
