"""Why the broker and we do not come together, in words for whoever runs us.

aiokafka says of every cause that it could not bootstrap. So the connection is tried once more by hand: a certificate
that we do not accept, one of ours that the broker does not, a password, a listener of another kind.
"""

import asyncio
import ssl
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import (
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from workers.kafka.connection import connection
from workers.settings import Settings

_OF_CLIENTS_ONLY: Final = ("bootstrap_servers", "retry_backoff_ms", "metadata_max_age_ms")


class BrokerRefuses(KafkaConnectionError):  # type: ignore[misc] # aiokafka has no types
    """What each of the brokers says. `final` where trying again will not help: settings or certificates are wrong."""

    def __init__(self, words: str, *, final: bool) -> None:
        super().__init__(words)
        self.words = words
        self.final = final

    def __str__(self) -> str:
        """The words alone, without the name of a class."""
        return self.words


async def refusal(settings: Settings) -> BrokerRefuses | None:
    """Tries every broker by hand; None where one of them takes us."""
    options = {name: value for name, value in connection(settings).items() if name not in _OF_CLIENTS_ONLY}
    found: list[tuple[str, bool]] = []
    for server in settings.kafka_bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            async with asyncio.timeout(settings.kafka_request_timeout_s):
                met = await create_conn(host.strip("[]"), int(port), **options)
                try:
                    await met.send(MetadataRequest([]))
                finally:
                    met.close()
        except (KafkaError, OSError, TimeoutError) as error:
            words, final = _words(error, settings)
            found.append((f"{server.strip()}: {words}", final))
        else:
            return None
    return BrokerRefuses("; ".join(words for words, _ in found), final=all(final for _, final in found))


def _words(error: Exception, settings: Settings) -> tuple[str, bool]:
    """What one broker's refusal means, and whether it will be the same the next time. Names no secret."""
    alert = error.__cause__ if isinstance(error.__cause__, ssl.SSLError) else None
    match error:
        case ssl.SSLCertVerificationError():
            told = (error.verify_message or "it cannot be verified").rstrip(".")
            return f"its certificate is not accepted: {told}; the authority is that of YIDAN_KAFKA_TLS_CA_FILE", True
        case ssl.SSLError():
            return f"it does not speak TLS as we do ({error.reason}), look at YIDAN_KAFKA_SECURITY_PROTOCOL", True
        case SaslAuthenticationFailed() | IllegalSaslStateError():
            return f"it refuses the password of {settings.kafka_sasl_username}, or knows no such user", True
        case UnsupportedSaslMechanismError():
            return f"it does not offer {settings.kafka_sasl_mechanism}, see YIDAN_KAFKA_SASL_MECHANISM", True
        case KafkaConnectionError() if alert is not None:
            ours = "our certificate" if settings.kafka_tls_cert_file else "us without a certificate"
            return f"it does not accept {ours} ({alert.reason}), see YIDAN_KAFKA_TLS_CERT_FILE", True
        case KafkaConnectionError():
            protocol = settings.kafka_security_protocol
            return f"it closes the connection; is {protocol} what this listener speaks?", False
        case TimeoutError():
            return "it does not answer", False
        case OSError():
            return error.strerror or type(error).__name__, False
    return str(error), False
