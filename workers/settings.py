"""Everything a worker is told from outside: environment variables YIDAN_…, the same in a file `.env`, secrets as files.

All faults are reported at once, by variable and with the mend, and no secret is ever printed.
"""

import difflib
import os
import re
import sys
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from contracts.topics import APPLICATIONS, DISCHARGES, PARTITIONS_DEFAULT, PERSONS
from workers.settings_files import secrets_in, unfit_authority, unfit_certificate

PREFIX: Final = "YIDAN_"
ENV_FILE: Final = ".env"
SECRETS_DIR: Final = f"{PREFIX}SECRETS_DIR"
NOT_SETTINGS: Final = ("YIDAN_TEST_", "YIDAN_BENCH_", "YIDAN_PERSON_YEARS")
"""Variables of the project's own tests and benchmarks, which no worker reads."""

EX_CONFIG: Final = 78
"""The exit code for settings that cannot work, as in sysexits.h."""

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class SettingsUnfit(Exception):
    """Settings that cannot work: one line for each fault."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Settings(BaseSettings):
    """Settings of one worker process. `.env.example` shows them all with their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    # The broker.
    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_tls_ca_file: Path | None = None
    kafka_tls_cert_file: Path | None = None
    kafka_tls_key_file: Path | None = None
    kafka_tls_key_password: SecretStr | None = None
    kafka_request_timeout_s: Seconds = 10.0

    # The store.
    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    redis_tls_ca_file: Path | None = None
    redis_tls_cert_file: Path | None = None
    redis_tls_key_file: Path | None = None
    redis_tls_key_password: SecretStr | None = None
    redis_prefix: str = ""
    redis_timeout_s: Seconds = 5.0

    allow_plaintext: bool = False
    """Let broker and store be spoken to in the clear beyond this machine, on a network that is private."""

    secrets_dir: Path | None = None
    """A folder with one file a secret, each named as its variable, as Docker and Kubernetes mount them. The environment
    and `.env` win over it."""

    # Who we are. The journal remembers both and refuses others.
    group: Annotated[str, Field(min_length=1, max_length=249)] = "yidan-settlement"
    partitions: Annotated[int, Field(ge=1, le=10_000)] = PARTITIONS_DEFAULT
    partitions_fixed: str = ""
    """Partitions to hold without asking the group, as in `0-3,7`: for tests, and for repairs by hand. Two workers that
    are given the same partition fence each other for ever; nothing is paid twice, and little is paid at all."""

    packs_dir: Path | None = None
    """A folder of policy packs in place of the shipped ones."""

    # Batches: bigger when busy, a short linger when idle.
    discharges_batch_max: Annotated[int, Field(ge=1, le=5_000)] = 500
    persons_batch_max: Annotated[int, Field(ge=1, le=5_000)] = 200
    applications_batch_max: Annotated[int, Field(ge=1, le=5_000)] = 100
    lane_records: Annotated[int, Field(ge=1, le=100_000)] = 250
    linger_ms: Annotated[int, Field(ge=0, le=1_000)] = 2
    fetch_max_bytes: Annotated[int, Field(ge=1 << 20, le=64 << 20)] = 4 << 20
    """What is fetched at once of one partition of one topic; no message may be larger."""

    # Waiting. Every wait is bounded; the worst case of a batch is commit_timeout_s.
    commit_timeout_s: Seconds = 8.0
    transaction_timeout_s: Seconds = 15.0
    journal_stall_timeout_s: Seconds = 30.0
    session_timeout_s: Seconds = 30.0
    rebalance_timeout_s: Seconds = 60.0
    backoff_first_s: Seconds = 0.5
    backoff_max_s: Seconds = 30.0
    start_timeout_s: Seconds = 60.0
    drain_timeout_s: Seconds = 25.0
    beat_timeout_s: Seconds = 30.0
    partitions_check_s: Seconds = 60.0
    take_overs_at_once: Annotated[int, Field(ge=1, le=100)] = 4

    # Health and metrics.
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65_535)] = 9_464
    """0 takes a free port, which the log's line `listening` names."""
    operate_group: Annotated[str, Field(min_length=1, max_length=249)] = "yidan-operate"
    """The group of `yidan operate`; its offsets decide nothing, the views know where they are."""
    operate_http_port: Annotated[int, Field(ge=0, le=65_535)] = 9_465
    """Its pages, which name persons."""
    operate_metrics_port: Annotated[int, Field(ge=0, le=65_535)] = 9_466
    """Its health and metrics, which name nobody: whoever scrapes needs no way to the pages."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    tracing: bool = False
    """Send a span for every record settled, to where OpenTelemetry's own variables (`OTEL_…`) say."""

    # `yidan topics apply`.
    replication_factor: Annotated[int, Field(ge=1, le=32_767)] = 3
    min_insync: Annotated[int, Field(ge=1, le=32_767)] = 2

    # `yidan year --export`, `yidan carry-in`.
    statement_key_file: Path | None = None
    """This office's private key, PEM: what it exports is signed with it."""
    statement_trusted_dir: Path | None = None
    """The public keys of the offices whose statements are carried in, one PEM file an office, named after it."""

    journal_from_start: bool = False
    """Read the journal from offset 0 and skip, because the embedded broker loses committed records for a reader that
    starts in mid-log after an aborted transaction. A trait of that broker, not of the protocol."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given in code, then the environment, then `.env`, then the folder of secrets that these name."""
        found = (init_settings, env_settings, dotenv_settings)
        named = next((place for source in found if (place := source().get("secrets_dir"))), None)
        if named is None or not Path(named).is_dir():
            return found
        return *found, SecretsSettingsSource(settings_cls, secrets_dir=named)

    @field_validator("group", "operate_group", "redis_prefix")
    @classmethod
    def _plain_words(cls, value: str) -> str:
        if not all(letter.isalnum() or letter in "._-:" for letter in value):
            raise ValueError("use letters, digits and . _ - :")
        return value

    @field_validator("partitions_fixed")
    @classmethod
    def _a_list_of_partitions(cls, value: str) -> str:
        read_partitions(value)
        return value

    @field_validator("redis_url")
    @classmethod
    def _a_redis_address(cls, value: SecretStr) -> SecretStr:
        mend = "use redis://host:port/db, or rediss:// with TLS; write / ? @ : # of a password as %2F %3F %40 %3A %23"
        parts = urlsplit(value.get_secret_value())
        try:
            fits = parts.scheme in ("redis", "rediss") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
        # What follows the database could switch off the check of the store's name, and is shown by `config show`.
        fits = fits and re.fullmatch(r"(/[0-9]*)?", parts.path) is not None and not parts.query + parts.fragment
        if not fits:
            raise ValueError(mend)
        return value

    @field_validator("kafka_bootstrap")
    @classmethod
    def _broker_addresses(cls, value: str) -> str:
        for server in value.split(","):
            host, _, port = server.strip().rpartition(":")
            if not host or not port.isdigit() or not 0 < int(port) < 65_536:
                raise ValueError("use host:port, several with commas between")
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        faults = [
            *self._credential_faults(),
            *self._plaintext_faults(),
            *self._tls_faults(),
            *self._timing_faults(),
            *(
                f"{name}: there is no file {path}; mount it or leave the variable out"
                for name, path in self._files().items()
                if path is not None and not path.exists()
            ),
        ]
        if self.min_insync > self.replication_factor:
            faults.append("MIN_INSYNC: at most REPLICATION_FACTOR")
        if any(partition >= self.partitions for partition in self.fixed_partitions):
            faults.append(f"PARTITIONS_FIXED: at most {self.partitions - 1}, PARTITIONS is {self.partitions}")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    def _files(self) -> dict[str, Path | None]:
        return {
            "KAFKA_TLS_CA_FILE": self.kafka_tls_ca_file,
            "KAFKA_TLS_CERT_FILE": self.kafka_tls_cert_file,
            "KAFKA_TLS_KEY_FILE": self.kafka_tls_key_file,
            "REDIS_TLS_CA_FILE": self.redis_tls_ca_file,
            "REDIS_TLS_CERT_FILE": self.redis_tls_cert_file,
            "REDIS_TLS_KEY_FILE": self.redis_tls_key_file,
            "SECRETS_DIR": self.secrets_dir,
            "PACKS_DIR": self.packs_dir,
            "STATEMENT_KEY_FILE": self.statement_key_file,
            "STATEMENT_TRUSTED_DIR": self.statement_trusted_dir,
        }

    def _credential_faults(self) -> list[str]:
        faults = []
        if self.kafka_security_protocol.startswith("SASL"):
            if self.kafka_sasl_username is None:
                faults.append(f"KAFKA_SASL_USERNAME: {self.kafka_security_protocol} needs it")
            if self.kafka_sasl_password is None:
                faults.append(f"KAFKA_SASL_PASSWORD: {self.kafka_security_protocol} needs it")
        return faults

    def _own_certificates(self) -> dict[str, tuple[Path | None, Path | None, SecretStr | None]]:
        return {
            "KAFKA": (self.kafka_tls_cert_file, self.kafka_tls_key_file, self.kafka_tls_key_password),
            "REDIS": (self.redis_tls_cert_file, self.redis_tls_key_file, self.redis_tls_key_password),
        }

    def _tls_faults(self) -> list[str]:
        faults = [
            fault
            for name in ("KAFKA_TLS_CA_FILE", "REDIS_TLS_CA_FILE")
            for fault in unfit_authority(name, self._files()[name])
        ]
        for server, own in self._own_certificates().items():
            faults += unfit_certificate(server, *own)
        if self.redis_tls_cert_file is not None and not self.redis_url.get_secret_value().startswith("rediss:"):
            faults.append("REDIS_TLS_CERT_FILE: REDIS_URL is spoken to without TLS; write rediss://")
        return faults

    def _plaintext_faults(self) -> list[str]:
        if self.allow_plaintext:
            return []
        mend = "use TLS, or set YIDAN_ALLOW_PLAINTEXT=true on a network that is private"
        faults = []
        if not self.kafka_security_protocol.endswith("SSL"):
            hosts = [server.strip().rpartition(":")[0] for server in self.kafka_bootstrap.split(",")]
            faults += [
                f"KAFKA_BOOTSTRAP: {host} would be spoken to in the clear; {mend}" for host in hosts if _far(host)
            ]
        redis = urlsplit(self.redis_url.get_secret_value())
        if redis.scheme == "redis" and _far(redis.hostname or ""):
            faults.append(f"REDIS_URL: {redis.hostname} would be read by others; {mend}")
        return faults

    def _timing_faults(self) -> list[str]:
        """Each wait must end before the one that it is part of."""
        order = ("commit_timeout_s", "transaction_timeout_s", "rebalance_timeout_s")
        faults = [
            f"{shorter.upper()}: must be shorter than {longer.upper()} ({getattr(self, longer):g})"
            for shorter, longer in pairwise(order)
            if getattr(self, shorter) >= getattr(self, longer)
        ]
        if self.backoff_first_s > self.backoff_max_s:
            faults.append(f"BACKOFF_FIRST_S: at most BACKOFF_MAX_S ({self.backoff_max_s:g})")
        if self.drain_timeout_s <= self.commit_timeout_s:
            faults.append(f"DRAIN_TIMEOUT_S: must be longer than COMMIT_TIMEOUT_S ({self.commit_timeout_s:g})")
        return faults

    @property
    def fixed_partitions(self) -> tuple[int, ...]:
        """`partitions_fixed` as numbers; empty where the group assigns."""
        return read_partitions(self.partitions_fixed)

    @property
    def batch_max(self) -> dict[str, int]:
        """The quota of each input topic in one batch."""
        return {
            PERSONS: self.persons_batch_max,
            DISCHARGES: self.discharges_batch_max,
            APPLICATIONS: self.applications_batch_max,
        }

    def shown(self) -> dict[str, Any]:
        """Every setting as a plain value, secrets masked: for the log's first line."""
        plain = self.model_dump(mode="json")
        redis = urlsplit(self.redis_url.get_secret_value())
        plain["redis_url"] = redis._replace(netloc=redis.netloc.rpartition("@")[2]).geturl()
        return {f"{PREFIX}{name.upper()}": value for name, value in plain.items()}


def read_settings(**given: Any) -> Settings:
    """Settings from the environment and `.env`; `given` wins over both. Raises `SettingsUnfit` with every fault."""
    dotenv = dotenv_values(ENV_FILE)
    names, unreadable = secrets_in(os.environ.get(SECRETS_DIR) or dotenv.get(SECRETS_DIR), PREFIX)
    faults = [*unreadable, *_unknown_names([*dotenv, *os.environ, *names])]
    if unreadable:
        raise SettingsUnfit(faults)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        faults += _readable(error) + _faults_between(error, given)
    else:
        if not faults:
            return settings
    raise SettingsUnfit(faults)


def _faults_between(error: ValidationError, given: Mapping[str, Any]) -> list[str]:
    """What does not fit together, which pydantic looks at only once every field is right by itself."""
    wrong = {str(fault["loc"][0]) for fault in error.errors() if fault["loc"]}
    if not wrong:
        return []
    try:
        Settings(**{**given, **{name: Settings.model_fields[name].default for name in wrong}})
    except ValidationError as more:
        return _readable(more)
    return []


def settings_or_exit(**given: Any) -> Settings:
    """Settings, or every fault on stderr and exit code 78."""
    try:
        return read_settings(**given)
    except SettingsUnfit as unfit:
        _exit(unfit)


def _exit(unfit: SettingsUnfit) -> NoReturn:
    sys.stderr.write("".join(f"{fault}\n" for fault in unfit.faults))
    raise SystemExit(EX_CONFIG)


def read_partitions(text: str) -> tuple[int, ...]:
    """Partition numbers from `0-3,7`."""
    numbers: set[int] = set()
    for part in filter(None, (word.strip() for word in text.split(","))):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError("write partitions as in 0-3,7")
        if int(last or first) < int(first):
            raise ValueError("write partitions in rising order, as in 0-3,7")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def _unknown_names(names: Iterable[str]) -> list[str]:
    """A misspelt variable would silently leave the default in force."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    faults = []
    for name in sorted(set(names)):
        if not name.startswith(PREFIX) or name in known or name.startswith(NOT_SETTINGS):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        faults.append(f"{name}: there is no such setting" + (f"; do you mean {near[0]}?" if near else ""))
    return faults


def _readable(error: ValidationError) -> list[str]:
    """One line a fault, by variable. Never the value: it may be a secret."""
    lines: list[str] = []
    for fault in error.errors(include_input=False, include_url=False):
        message = str(fault["msg"]).removeprefix("Value error, ")
        if fault["loc"]:
            lines.append(f"{PREFIX}{str(fault['loc'][0]).upper()}: {message}")
        else:
            lines += [f"{PREFIX}{line}" for line in message.splitlines()]
    return lines


def _far(host: str) -> bool:
    """Whether a host is not this machine."""
    host = host.strip("[]")
    if host in ("localhost", ""):
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return True
