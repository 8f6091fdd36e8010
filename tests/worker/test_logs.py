"""Logs are JSON lines, and no line holds anything about a person."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import TypeAdapter, ValidationError

from workers.logs import configure_logs, get_log, told
from workers.settlement.ports import Fenced

SECRET = "P330000000001"


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    root, levels = logging.getLogger(), {}
    handlers, level = root.handlers[:], root.level
    for name in ("aiokafka", "aiohttp", "asyncio", "faust", "kafka", "aiokafka.producer.sender"):
        levels[name] = logging.getLogger(name).level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_event(capsys: pytest.CaptureFixture[str]):
    configure_logs()
    get_log().info("partition taken over", partition=3, seq=17)
    (line,) = lines(capsys)
    assert line["event"] == "partition taken over"
    assert (line["partition"], line["seq"], line["level"]) == (3, 17, "info")
    assert str(line["at"]).endswith("Z")


def test_a_field_that_is_not_on_the_list_is_left_out_and_named(capsys: pytest.CaptureFixture[str]):
    configure_logs()
    get_log().warning("something", partition=1, psn_no=SECRET, payload=SECRET)
    (line,) = lines(capsys)
    assert line["left_out"] == ["payload", "psn_no"]
    assert SECRET not in json.dumps(line)


def test_an_exception_of_the_core_is_told_without_its_text(capsys: pytest.CaptureFixture[str]):
    configure_logs()
    with pytest.raises(ValidationError, match=SECRET) as quoted:
        TypeAdapter(int).validate_json(f'"{SECRET}"')
    get_log().error("the core failed", **told(quoted.value))
    get_log().error("and again", exc_info=quoted.value)
    for line in lines(capsys):
        assert SECRET not in json.dumps(line)
        assert str(line["error"]).endswith("ValidationError")
        assert line["raised_at"]


def test_an_exception_about_connections_and_offsets_is_told_with_its_text():
    assert told(Fenced("partition 3: another worker has taken it over"))["detail"].startswith("partition 3")
    assert told(ConnectionRefusedError("port 9092"))["detail"] == "port 9092"


def test_what_the_libraries_say_is_json_too_and_their_debug_lines_stay_away(capsys: pytest.CaptureFixture[str]):
    configure_logs("debug")
    logging.getLogger("aiokafka.producer.producer").debug("Sending (key=%s value=%s)", SECRET, SECRET)
    logging.getLogger("aiokafka.cluster").error("no %s", "leader")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <Task exception=%s>", SECRET)
    found = lines(capsys)
    assert [line["event"] for line in found] == ["no leader", "Task exception was never retrieved"]


def test_the_level_is_respected(capsys: pytest.CaptureFixture[str]):
    configure_logs("warning")
    get_log().info("quiet")
    get_log().warning("loud")
    assert [line["event"] for line in lines(capsys)] == ["loud"]
