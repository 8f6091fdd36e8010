"""Settings: all faults at once, secrets never shown, and the committed example tells the truth."""

from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import SecretStr

from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
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
