"""What Prometheus reads, and the table of it in collector/README.md."""

from __future__ import annotations

import ast
import math
import os
import re
from pathlib import Path

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from collector.telemetry.counters import Counters
from collector.telemetry.exposition import Exposition
from collector.telemetry.families import FAMILIES, PREFIX, exposed_name

PACKAGE = Path(__file__).parents[3] / "collector"
README = PACKAGE / "README.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"


def test_both_formats_say_the_same() -> None:
    """Text and OpenMetrics parse, by the type, labels, help and values of the table."""
    counters = Counters(["traces", "logs"])
    counters.fate("refused", 3, signal="logs", reason='odd "reason"\n')
    counters.observe("request_size_bytes", 300, signal="traces")
    counters.observe("request_size_bytes", 10**12, signal="traces")
    exposition = Exposition(counters, lambda: {"clickhouse_up": {"": 1.0}, "status": {"healthy": 1.0, "degraded": 0.0}})
    text, media = exposition.render("*/*")
    assert media.startswith("text/plain")
    open_text, open_media = exposition.render(OPENMETRICS)
    assert open_media.startswith("application/openmetrics-text")
    assert open_text.endswith(b"# EOF\n")
    families = {each.name: each for each in parser.text_string_to_metric_families(text.decode())}
    same = {each.name: each for each in openmetrics.text_string_to_metric_families(open_text.decode())}
    assert {name for name in families if name.startswith(PREFIX)} == {n for n in same if n.startswith(PREFIX)}

    size = same[PREFIX + "request_size_bytes"]
    buckets = {each.labels["le"]: each.value for each in size.samples if each.name.endswith("_bucket")}
    assert buckets["256.0"] == 0
    assert buckets["1024.0"] == 1
    assert buckets["+Inf"] == 2
    assert math.isclose(sum(each.value for each in size.samples if each.name.endswith("_sum")), 10**12 + 300)
    refused = families[PREFIX + "items_refused"]
    assert [(each.labels, each.value) for each in refused.samples] == [
        ({"signal": "logs", "reason": 'odd "reason"\n'}, 3.0)
    ]
    for name, family in families.items():
        if declared := FAMILIES.get(name.removeprefix(PREFIX)):
            assert (family.type, family.documentation) == (declared.kind, declared.sentence)
    assert "process_resident_memory_bytes" in families


def test_two_in_one_process() -> None:
    """Each collector of a process tells its own figures: nothing is registered globally."""
    first, second = Counters(), Counters()
    first.add("segments_loaded", 5, signal="logs")
    assert b"segments_loaded" in Exposition(first, dict).render("")[0]
    assert b"segments_loaded" not in Exposition(second, dict).render("")[0]


def counted_names() -> set[str]:
    """Return every figure's name in the code's calls of `add`, `fate` and `observe`, which must be literals."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            owner, method = ast.unparse(node.func.value), node.func.attr
            if not owner.endswith("counters") or method not in {"add", "fate", "observe"}:
                continue
            assert isinstance(node.args[0], ast.Constant), f"{path.name}: {ast.unparse(node)}"
            name = node.args[0].value
            names |= {f"requests_{name}", f"items_{name}"} if method == "fate" else {name}
    return names


def test_every_figure_is_declared() -> None:
    """What the code counts is in the table, and what the table promises is counted somewhere."""
    declared = {name for name, family in FAMILIES.items() if family.kind != "gauge"}
    counted = counted_names()
    assert counted <= declared, counted - declared
    assert declared <= counted, declared - counted


@pytest.mark.parametrize("name", FAMILIES)
def test_conventions(name: str) -> None:
    """Names are lower case with their unit at the end, as Prometheus and OpenTelemetry ask; the sentence is one."""
    family = FAMILIES[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert not name.endswith("_total")
    assert family.sentence[0].isupper() or family.sentence[0].isdigit()
    assert not family.sentence.endswith(".")
    if family.kind == "histogram":
        assert name.endswith(("_seconds", "_bytes"))
        assert list(family.bounds) == sorted(set(family.bounds))


def table() -> str:
    """Write the figures as Markdown."""
    rows = [
        f"| `{exposed_name(family)}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} "
        f"| {family.sentence} |"
        for family in FAMILIES.values()
    ]
    return "\n".join(("| figure | kind | labels | |", "|---|---|---|---|", *rows))


def test_readme_table() -> None:
    """The table of figures in collector/README.md is the one the code has."""
    text = README.read_text()
    found = re.search(r"(<!-- figures:.*?-->\n)(.*?)(<!-- end -->)", text, re.DOTALL)
    assert found
    if os.environ.get("REGENERATE"):
        README.write_text(text[: found.start(2)] + table() + "\n" + text[found.end(2) :])
    else:
        assert found[2].strip() == table(), "run: REGENERATE=1 make test"
