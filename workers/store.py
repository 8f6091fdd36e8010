"""How every process of ours reaches the store."""

from typing import Any

from workers.settings import Settings
from workers.settlement.keeper import RedisKeeper
from workers.settlement.watched import Watch, unwatched


def keeper_of(settings: Settings, watch: Watch = unwatched) -> RedisKeeper:
    """A keeper on the store of the settings. No connection is made yet."""
    options: dict[str, Any] = {}
    if settings.redis_tls_ca_file is not None:
        options["ssl_ca_certs"] = str(settings.redis_tls_ca_file)
    return RedisKeeper.connect(
        settings.redis_url.get_secret_value(),
        prefix=settings.redis_prefix,
        timeout_seconds=settings.redis_timeout_s,
        watch=watch,
        **options,
    )
