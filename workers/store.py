"""How every process of ours reaches the store."""

from ssl import TLSVersion
from typing import Any

from workers.settings import Settings
from workers.settlement.keeper import RedisKeeper
from workers.settlement.watched import Watch, unwatched


def keeper_of(settings: Settings, watch: Watch = unwatched) -> RedisKeeper:
    """A keeper on the store of the settings. No connection is made yet."""
    return RedisKeeper.connect(
        settings.redis_url.get_secret_value(),
        prefix=settings.redis_prefix,
        timeout_seconds=settings.redis_timeout_s,
        watch=watch,
        **_tls(settings),
    )


def _tls(settings: Settings) -> dict[str, Any]:
    """TLS 1.2 or later, with the store's name checked. Said here: the client's own defaults have changed before."""
    if not settings.redis_url.get_secret_value().startswith("rediss:"):
        return {}
    password = settings.redis_tls_key_password
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_min_version": TLSVersion.TLSv1_2,
        "ssl_ca_certs": str(settings.redis_tls_ca_file) if settings.redis_tls_ca_file else None,
        "ssl_certfile": str(settings.redis_tls_cert_file) if settings.redis_tls_cert_file else None,
        "ssl_keyfile": str(settings.redis_tls_key_file) if settings.redis_tls_key_file else None,
        "ssl_password": password.get_secret_value() if password else None,
    }
