"""Log lines: one event a line, repeats said once and counted, nothing lost at the exit."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from collector.telemetry.logs import _MOST_KEYS, CollapsingHandler, JsonFormatter, TextFormatter

PERIOD = 0.2


class Log:
    """A logger of its own with the handler under test."""

    def __init__(self, formatter: logging.Formatter, period: float = PERIOD) -> None:
        self.stream = io.StringIO()
        self.handler = CollapsingHandler(self.stream, period)
        self.handler.setFormatter(formatter)
        self.logger = logging.Logger("tests.log")  # noqa: LOG001 - out of reach of the handlers of this process
        self.logger.addHandler(self.handler)

    def lines(self) -> list[str]:
        """Return what was printed so far."""
        return self.stream.getvalue().splitlines()

    def wait(self, lines: int, seconds: float = 5) -> list[str]:
        """Wait until so many lines were printed."""
        deadline = time.monotonic() + seconds
        while len(self.lines()) < lines:
            assert time.monotonic() < deadline, self.lines()
            time.sleep(0.01)
        return self.lines()


@pytest.fixture
def log() -> Iterator[Callable[..., Log]]:
    """Make loggers; their handlers are closed in the end."""
    made: list[Log] = []

    def make(formatter: logging.Formatter | None = None, **given: float) -> Log:
        made.append(Log(formatter or logging.Formatter("%(levelname)s %(message)s"), **given))
        return made[-1]

    yield make
    for each in made:
        each.handler.close()


def test_repeats_are_counted(log: Callable[..., Log]) -> None:
    """The first is printed at once, the others as one line when the period is over, with the text of the last."""
    here = log()
    for number in range(5):
        here.logger.warning("segment %s: try again", number)
    assert here.lines() == ["WARNING segment 0: try again"]
    assert here.wait(2)[1] == "WARNING … repeated 4 times: segment 4: try again"
    here.logger.warning("segment %s: try again", 9)
    assert here.lines()[2] == "WARNING segment 9: try again"


def test_different_lines_are_all_printed(log: Callable[..., Log]) -> None:
    """Another template, level, logger or, for errors, text is another line; warnings of one template are the same."""
    here = log(period=60)
    here.logger.info("a %s", 1)
    here.logger.info("b %s", 1)
    here.logger.warning("a %s", 1)
    here.logger.error("a %s", 1)
    here.logger.error("a %s", 2)
    other = logging.Logger("tests.other")  # noqa: LOG001 - as above
    other.addHandler(here.handler)
    other.info("a %s", 1)
    assert len(here.lines()) == 6
    here.logger.error("a %s", 2)
    here.logger.warning("a %s", 2)
    assert len(here.lines()) == 6


def test_exceptions_with_different_texts_are_all_printed(log: Callable[..., Log]) -> None:
    """Two exceptions logged with the same words are the same only if they say the same."""
    here = log(logging.Formatter("%(message)s"), period=60)
    for text in ("one", "two", "two"):
        try:
            raise ValueError(text)  # noqa: TRY301 - an exception to log
        except ValueError:
            here.logger.exception("it failed")
    printed = here.stream.getvalue()
    assert printed.count("it failed") == 2
    assert printed.count("ValueError: one") == printed.count("ValueError: two") == 1


def test_memory_is_bounded(log: Callable[..., Log]) -> None:
    """Only so many lines are remembered; the oldest is let go, and what was counted of it is said."""
    here = log(period=3600)
    here.logger.error("first")
    here.logger.error("first")
    for number in range(3 * _MOST_KEYS):
        here.logger.error("error %d", number)
    assert len(here.handler._seen) == _MOST_KEYS
    assert "ERROR … repeated once: first" in here.lines()
    assert len(here.lines()) == 3 * _MOST_KEYS + 2


def test_nothing_is_lost_at_the_end(log: Callable[..., Log]) -> None:
    """Closing says what was still counted; what is logged after it is printed, repeated or not."""
    here = log(period=3600)
    for _ in range(3):
        here.logger.info("same")
    here.handler.close()
    here.logger.info("same")
    here.logger.info("same")
    assert here.lines() == ["INFO same", "INFO … repeated 2 times: same", "INFO same", "INFO same"]


def test_a_line_that_cannot_be_formatted_is_not_the_callers_problem(
    log: Callable[..., Log], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments that do not fit the template never raise into the program, repeated or not."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    here = log()
    for _ in range(2):
        here.logger.error("%d spans", "many")
        here.logger.info("%d spans", "many")
    here.logger.info("still here")
    assert here.lines() == ["INFO still here"]


def test_json_lines(log: Callable[..., Log]) -> None:
    """A line is one object: UTC time, level, logger, message, extra fields, exception; repeats have their number."""
    here = log(JsonFormatter())
    try:
        raise KeyError("ключ")  # noqa: TRY301 - an exception to log
    except KeyError:
        here.logger.exception("line one\nline two", extra={"segment": "abc", "folder": {1, 2}, "time": "mine"})
    before = time.time()
    here.logger.info("again %s", 1)
    here.logger.info("again %s", 2)
    first, second, third = map(json.loads, here.wait(3))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", first["time"])
    assert (first["level"], first["logger"], first["message"]) == ("error", "tests.log", "line one\nline two")
    assert first["segment"] == "abc"
    assert first["folder"] in ("{1, 2}", "{2, 1}")
    assert first["exception"].startswith("Traceback (most recent call last)")
    assert "KeyError: 'ключ'" in first["exception"]
    assert set(second) == {"time", "level", "logger", "message"}
    assert abs(time.mktime(time.strptime(second["time"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - before) < 5
    assert (third["message"], third["repeated"]) == ("… repeated once: again 2", 1)


def test_text_cannot_forge_lines(log: Callable[..., Log]) -> None:
    """What a sender smuggles into a message neither begins a line of its own nor speaks to the terminal."""
    here = log(TextFormatter())
    here.logger.warning("peer said %s", "x\n2026-01-01 INFO root: all is well \x1b[2J\r\x9b")
    (line,) = here.stream.getvalue().split("\n")[:-1]
    assert line.endswith(r"peer said x\n2026-01-01 INFO root: all is well \x1b[2J\r\x9b")
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING tests\.log: ", line)


PROGRAM = """
import logging, sys, warnings
from collector.telemetry import configure_logging
configure_logging("info", sys.argv[1])
log = logging.getLogger("collector.tests")
for number in range(7):
    log.warning("line %d", number)
warnings.warn("old", DeprecationWarning)
logging.getLogger("uvicorn.access").info("noise")
logging.getLogger("clickhouse_connect").error("noise")
log.debug("too low")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_process_ends_with_its_last_repeat(form: Any) -> None:
    """A process that exits within the period has still said how often; piped, it prints no colours and no noise."""
    command = [sys.executable, "-W", "default", "-c", PROGRAM, form]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    lines = done.stderr.splitlines()
    assert "\x1b" not in done.stderr
    assert "noise" not in done.stderr
    assert len(lines) == 3
    assert done.stdout == ""
    messages = [json.loads(line)["message"] for line in lines] if form == "json" else lines
    assert messages[0].endswith("line 0")
    assert "DeprecationWarning: old" in messages[1]
    assert messages[2].endswith("… repeated 6 times: line 6")
