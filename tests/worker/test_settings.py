"""Settings: all faults at once, secrets never shown, and the committed example tells the truth."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import SecretStr
from typer.testing import CliRunner

from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
from tests.security.authority import Authority
from workers.cli import app
from workers.settings import (
    EX_CONFIG,
    PREFIX,
    Settings,
    SettingsUnfit,
    read_partitions,
    read_settings,
    settings_or_exit,
)

EXAMPLE = Path(__file__).parents[2] / ".env.example"


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def faults(monkeypatch: pytest.MonkeyPatch, **variables: str) -> list[str]:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)
    with pytest.raises(SettingsUnfit) as unfit:
        read_settings()
    return unfit.value.faults


def test_the_example_names_every_setting_once_with_its_default(tmp_path: Path):
    lines = [line.partition("=")[0] for line in EXAMPLE.read_text().splitlines() if line and not line.startswith("#")]
    assert sorted(lines) == sorted(f"{PREFIX}{name.upper()}" for name in Settings.model_fields)
    (tmp_path / ".env").write_text(EXAMPLE.read_text())
    assert read_settings() == Settings(_env_file=None)
    assert dotenv_values(EXAMPLE)["YIDAN_PARTITIONS"] == "12"


def test_every_fault_is_told_at_once_and_by_its_variable(monkeypatch: pytest.MonkeyPatch):
    told = faults(
        monkeypatch,
        KAFKA_BOOTSTRAP="kafka:9092",
        REDIS_URL="http://redis",
        PARTITIONS="none",
        LOG_LEVEL="loud",
        COMMIT_TIMEOUT_S="20",
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_TLS_CA_FILE="/no/such/file",
        STATEMENT_KEY_FILE="/no/such/key",
        STATEMENT_TRUSTED_DIR="/no/such/folder",
        MIN_INSYNC="4",
        GRUOP="x",
    )
    named = [fault.partition(":")[0].removeprefix(PREFIX) for fault in told]
    assert set(named) == {
        *("GRUOP", "REDIS_URL", "PARTITIONS", "LOG_LEVEL"),
        *("KAFKA_BOOTSTRAP", "COMMIT_TIMEOUT_S", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD", "KAFKA_TLS_CA_FILE"),
        *("MIN_INSYNC", "STATEMENT_KEY_FILE", "STATEMENT_TRUSTED_DIR"),
    }
    assert "do you mean YIDAN_GROUP?" in told[named.index("GRUOP")]


def test_faults_end_the_process_with_78_and_are_readable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("YIDAN_PARTITIONS", "0")
    with pytest.raises(SystemExit) as end:
        settings_or_exit()
    assert end.value.code == EX_CONFIG == 78
    assert capsys.readouterr().err == "YIDAN_PARTITIONS: Input should be greater than or equal to 1\n"


def test_no_secret_is_shown_or_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YIDAN_REDIS_URL", "rediss://user:geheim@store:6380/2")
    monkeypatch.setenv("YIDAN_KAFKA_SASL_PASSWORD", "geheim")
    monkeypatch.setenv("YIDAN_KAFKA_TLS_KEY_PASSWORD", "geheim")
    settings = read_settings()
    shown = settings.shown()
    assert "geheim" not in repr(settings) + str(shown)
    assert shown["YIDAN_REDIS_URL"] == "rediss://store:6380/2"
    assert "geheim" not in "".join(faults(monkeypatch, REDIS_URL="geheim://geheim", KAFKA_SASL_MECHANISM="geheim"))


@pytest.mark.parametrize(
    ("variables", "refused"),
    [
        ({"KAFKA_BOOTSTRAP": "10.0.0.7:9092"}, True),
        ({"KAFKA_BOOTSTRAP": "127.0.0.1:9092,kafka-2:9092"}, True),
        ({"REDIS_URL": "redis://store:6379/0"}, True),
        ({"KAFKA_BOOTSTRAP": "kafka:9092", "KAFKA_SECURITY_PROTOCOL": "SSL"}, False),
        ({"REDIS_URL": "rediss://store:6379/0"}, False),
        ({"KAFKA_BOOTSTRAP": "localhost:9092,[::1]:9092"}, False),
        ({"KAFKA_BOOTSTRAP": "kafka:9092", "REDIS_URL": "redis://store", "ALLOW_PLAINTEXT": "true"}, False),
    ],
)
def test_plaintext_beyond_this_machine_has_to_be_meant(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], refused: bool
):
    if refused:
        assert any("ALLOW_PLAINTEXT" in fault for fault in faults(monkeypatch, **variables))
    else:
        for name, value in variables.items():
            monkeypatch.setenv(PREFIX + name, value)
        read_settings()


@pytest.mark.parametrize(
    "url",
    [
        "rediss://store/0?ssl_cert_reqs=none",
        "rediss://store/0?ssl_check_hostname=False",
        "redis://localhost/0?password=geheim",
        "redis://user:12/geheim@localhost:6379/0",
        "redis://localhost/0#geheim",
    ],
)
def test_an_address_of_the_store_says_nothing_beyond_the_database(monkeypatch: pytest.MonkeyPatch, url: str):
    """It could switch the checks of TLS off, and what of it is a password would be shown."""
    (told,) = faults(monkeypatch, REDIS_URL=url)
    assert told.startswith("YIDAN_REDIS_URL: use redis://")
    assert "geheim" not in told


# ── secrets and certificates as files ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    monkeypatch.setenv("YIDAN_SECRETS_DIR", str(folder))
    return folder


def test_secrets_may_be_files_named_as_their_variables(mounted: Path):
    (mounted / "YIDAN_KAFKA_SASL_PASSWORD").write_text("geheim\n")
    (mounted / "yidan_redis_url").write_text("rediss://yidan:geheim@store:6380/0\n")
    (mounted / "password_of_another_program").write_text("x")
    settings = read_settings()
    assert settings.kafka_sasl_password is not None
    assert settings.kafka_sasl_password.get_secret_value() == "geheim"
    assert settings.redis_url.get_secret_value() == "rediss://yidan:geheim@store:6380/0"
    shown = settings.shown()
    assert "geheim" not in repr(settings) + str(shown)
    assert shown["YIDAN_SECRETS_DIR"] == str(mounted)


def test_the_environment_wins_over_a_file_and_the_folder_may_be_named_in_dotenv(
    monkeypatch: pytest.MonkeyPatch, mounted: Path, tmp_path: Path
):
    monkeypatch.delenv("YIDAN_SECRETS_DIR")
    (tmp_path / ".env").write_text(f"YIDAN_SECRETS_DIR={mounted}\n")
    (mounted / "YIDAN_KAFKA_SASL_PASSWORD").write_text("of the file")
    (mounted / "YIDAN_KAFKA_TLS_KEY_PASSWORD").write_text("of the file")
    monkeypatch.setenv("YIDAN_KAFKA_SASL_PASSWORD", "of the environment")
    settings = read_settings()
    found = [settings.kafka_sasl_password, settings.kafka_tls_key_password]
    assert [secret and secret.get_secret_value() for secret in found] == ["of the environment", "of the file"]


def test_secrets_that_would_be_missed_or_misread_are_faults(monkeypatch: pytest.MonkeyPatch, mounted: Path):
    (mounted / "YIDAN_KAFKA_SASL_PASWORD").write_text("geheim")
    assert "do you mean YIDAN_KAFKA_SASL_PASSWORD?" in "".join(faults(monkeypatch))
    (mounted / "YIDAN_KAFKA_SASL_PASWORD").unlink()
    (mounted / "YIDAN_REDIS_URL").write_bytes(b"\xff\xfe")
    assert faults(monkeypatch) == [f"YIDAN_REDIS_URL: {mounted / 'YIDAN_REDIS_URL'} is not UTF-8"]
    told = faults(monkeypatch, SECRETS_DIR="/no/such/folder")
    assert told == ["YIDAN_SECRETS_DIR: there is no file /no/such/folder; mount it or leave the variable out"]


def test_certificate_and_key_that_do_not_fit_are_told_before_anything_is_connected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    authority = Authority(tmp_path)
    ours, other = authority.issue("worker", key_password="geheim"), authority.issue("gateway")
    for server, protocol in (("KAFKA", "SSL"), ("REDIS", "PLAINTEXT")):
        monkeypatch.setenv("YIDAN_KAFKA_SECURITY_PROTOCOL", protocol)
        monkeypatch.setenv("YIDAN_REDIS_URL", "rediss://localhost")
        monkeypatch.setenv(f"YIDAN_{server}_TLS_CERT_FILE", str(ours.certificate))
        assert "or neither" in "".join(faults(monkeypatch))
        for key, password in ((ours.key, ""), (ours.key, "wrong"), (other.key, "")):
            monkeypatch.setenv(f"YIDAN_{server}_TLS_KEY_PASSWORD", password)
            (told,) = faults(monkeypatch, **{f"{server}_TLS_KEY_FILE": str(key)})
            assert told.startswith(f"YIDAN_{server}_TLS_CERT_FILE: certificate and key are not")
        monkeypatch.setenv(f"YIDAN_{server}_TLS_KEY_FILE", str(ours.key))
        monkeypatch.setenv(f"YIDAN_{server}_TLS_KEY_PASSWORD", "geheim")
        read_settings()
    (told,) = faults(monkeypatch, REDIS_URL="redis://localhost")
    assert "write rediss://" in told


def test_variables_of_tests_and_benchmarks_are_not_misspelt_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YIDAN_TEST_BROKER", "apache")
    read_settings()


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("YIDAN_PARTITIONS", "")
    assert read_settings().partitions == 12


@pytest.mark.parametrize(
    ("text", "numbers"), [("", ()), ("3", (3,)), ("0-3,7", (0, 1, 2, 3, 7)), (" 5 , 1-2 ", (1, 2, 5)), ("2,2", (2,))]
)
def test_partitions_are_written_as_ranges(text: str, numbers: tuple[int, ...]):
    assert read_partitions(text) == numbers


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1:2"])
def test_other_ways_of_writing_partitions_are_refused(text: str):
    with pytest.raises(ValueError, match="0-3,7"):
        read_partitions(text)


def test_fixed_partitions_must_exist(monkeypatch: pytest.MonkeyPatch):
    assert any("at most 11" in fault for fault in faults(monkeypatch, PARTITIONS_FIXED="0-12"))


def test_each_topic_has_a_quota_of_its_own():
    settings = Settings(_env_file=None, redis_url=SecretStr("redis://localhost"))
    assert settings.batch_max == {PERSONS: 200, DISCHARGES: 500, APPLICATIONS: 100}


@pytest.mark.parametrize(
    "words",
    [
        "work",
        "operate",
        "rebuild",
        "audit",
        "topics apply",
        "topics check",
        "config show",
        "journal backup journal.gz",
        "journal restore journal.gz",
        "year P330000000001 2021",
        "year P330000000001 2021 --export",
        "pending 2021",
        "audit P330000000001 2021 --order",
        "reverse S1 --psn-no P330000000001",
        "packs adopt 331000 --from 2021-01-01",
        "quarantine list",
        "quarantine show onestop.discharges.v1/0/0",
        "quarantine replay --all --yes",
        "generate --settlements 1 --persons 1 --to-kafka",
    ],
)
def test_no_command_speaks_to_a_far_server_in_the_clear(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str):
    (tmp_path / "journal.gz").touch()
    monkeypatch.setenv("YIDAN_KAFKA_BOOTSTRAP", "kafka.example:9092")
    monkeypatch.setenv("YIDAN_REDIS_URL", "redis://redis.example:6379/0")
    ended = CliRunner().invoke(app, words.split())
    assert ended.exit_code == EX_CONFIG, ended.output
    for told in ("YIDAN_KAFKA_BOOTSTRAP: kafka.example would be", "YIDAN_REDIS_URL: redis.example would be"):
        assert told in ended.output
