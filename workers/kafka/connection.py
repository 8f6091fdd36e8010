"""How every client of ours reaches the broker."""

import ssl
from typing import Any, Final

from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from workers.settings import Settings

RETRY_BACKOFF_MS: Final = 20
"""Between two transactions of one id the broker still writes markers; 100 ms, the default, would be most of a batch."""

METADATA_AGE_MS: Final = 60_000

UNREACHABLE: Final = (KafkaError, OSError, TimeoutError)
"""What a broker that cannot be reached, or refuses us, comes to."""


def connection(settings: Settings) -> dict[str, Any]:
    """The options that producers, consumers and the admin client have in common."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap,
        "client_id": "yidan",
        "request_timeout_ms": int(settings.kafka_request_timeout_s * 1000),
        "retry_backoff_ms": RETRY_BACKOFF_MS,
        "metadata_max_age_ms": METADATA_AGE_MS,
        "security_protocol": settings.kafka_security_protocol,
    }
    if settings.kafka_security_protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if settings.kafka_security_protocol.startswith("SASL"):
        password = settings.kafka_sasl_password
        options["sasl_mechanism"] = settings.kafka_sasl_mechanism
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = password.get_secret_value() if password else None
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 or later, with the broker's name checked."""
    password = settings.kafka_tls_key_password
    context: ssl.SSLContext = create_ssl_context(
        cafile=str(settings.kafka_tls_ca_file) if settings.kafka_tls_ca_file else None,
        certfile=str(settings.kafka_tls_cert_file) if settings.kafka_tls_cert_file else None,
        keyfile=str(settings.kafka_tls_key_file) if settings.kafka_tls_key_file else None,
        password=password.get_secret_value() if password else None,
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
