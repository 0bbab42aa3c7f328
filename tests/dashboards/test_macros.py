"""What the plugin makes of a query, word for word as its documentation and source have it."""

from __future__ import annotations

import pytest

from dashboards.validate import macros
from dashboards.validate.macros import ALL, Context, MacroError

AT = Context(
    1_700_000_000.9,
    1_700_086_400.2,
    interval_ms=90_500,
    variables={"all": ALL, "none": "", "one": "web", "two": ["it's", "b"], "text": "a'b\\c"},
)


@pytest.mark.parametrize(
    ("macro", "becomes"),
    [
        ("$__timeFilter(c)", "c >= toDateTime(1700000000) AND c <= toDateTime(1700086400)"),
        (
            "$__timeFilter_ms(c)",
            "c >= fromUnixTimestamp64Milli(1700000000900) AND c <= fromUnixTimestamp64Milli(1700086400200)",
        ),
        ("$__dateFilter(d)", "d >= toDate('2023-11-14') AND d <= toDate('2023-11-15')"),
        (
            "$__dateTimeFilter(d, t)",
            (
                "(d >= toDate('2023-11-14') AND d <= toDate('2023-11-15')) "
                "AND (t >= toDateTime(1700000000) AND t <= toDateTime(1700086400))"
            ),
        ),
        (
            "$__dt(d, t)",
            (
                "(d >= toDate('2023-11-14') AND d <= toDate('2023-11-15')) "
                "AND (t >= toDateTime(1700000000) AND t <= toDateTime(1700086400))"
            ),
        ),
        ("$__fromTime", "toDateTime(1700000000)"),
        ("$__toTime", "toDateTime(1700086400)"),
        ("$__fromTime_ms", "fromUnixTimestamp64Milli(1700000000900)"),
        ("$__toTime_ms", "fromUnixTimestamp64Milli(1700086400200)"),
        ("$__timeFrom(c)", "c >= toDateTime(1700000000)"),
        ("$__timeTo(c)", "c <= toDateTime(1700086400)"),
        ("$__timeInterval(c)", "toStartOfInterval(toDateTime(c), INTERVAL 90 second)"),
        ("$__timeInterval_ms(c)", "toStartOfInterval(toDateTime64(c, 3), INTERVAL 90500 millisecond)"),
        ("$__interval_s", "90"),
        ("$__interval_ms", "90500"),
        ("$__interval", "90500ms"),
        ("$__timeGroup(c, 5m)", "toStartOfInterval(toDateTime(c), INTERVAL 300 second)"),
        ("$__timeGroup(c, '1h30m')", "toStartOfInterval(toDateTime(c), INTERVAL 5400 second)"),
        (
            "$__timeFilter(toDateTime(a, 'UTC'))",
            "toDateTime(a, 'UTC') >= toDateTime(1700000000) AND toDateTime(a, 'UTC') <= toDateTime(1700086400)",
        ),
        (
            "$__timeTo($__timeInterval(c))",
            "toStartOfInterval(toDateTime(c), INTERVAL 90 second) <= toDateTime(1700086400)",
        ),
    ],
)
def test_macros_of_the_backend(macro: str, becomes: str) -> None:
    """Each macro becomes exactly this, on a panel and in a rule."""
    rule_knows = "$__interval" not in macro or macro == "$__interval_s"
    assert macros.of_panel(f"SELECT {macro} FROM t", AT) == f"SELECT {becomes} FROM t"
    if rule_knows:
        assert macros.of_rule(f"SELECT {macro} FROM t", AT) == f"SELECT {becomes} FROM t"


@pytest.mark.parametrize(
    ("condition", "becomes"),
    [
        ("$__conditionalAll(a IN (${two:singlequote}), $two)", "a IN ('it\\'s','b')"),
        ("$__conditionalAll(a IN (${all:singlequote}), $all)", "1=1"),
        ("$__conditionalAll(a = '${none:percentencode}', $none)", "1=1"),
        ("$__conditionalAll(if(a, b, c) IN (${one:singlequote}), $one)", "if(a, b, c) IN ('web')"),
        ("$__conditionalAll(f('${text:percentencode}'), $text)", "f('a%27b%5Cc')"),
        ("$__conditionalAll(x IN ($two), $two) AND $__conditionalAll(y IN ($all), $all)", "x IN ('it's','b') AND 1=1"),
    ],
)
def test_conditions_that_fall_away(condition: str, becomes: str) -> None:
    """A condition stands while something is chosen, and is 1=1 while everything or nothing is."""
    assert macros.of_panel(condition, AT) == becomes


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("$__timeFiltr(c)", "no macro $__timeFiltr"),
        ("$__columns(a, b, c)", "no macro $__columns"),
        ("$__timeFilter()", "takes 1 argument"),
        ("$__timeFilter(a, b)", "takes 1 argument(s), not 2"),
        ("$__dateTimeFilter(a)", "takes 2 argument(s), not 1"),
        ("$__timeGroup(c, 1d)", "duration of h, m, s or ms"),
        ("$__timeFilter(c", "not closed"),
        ("$__conditionalAll(a = 1)", "takes 2 arguments, not 1"),
        ("$__conditionalAll(f(')') = 1, $one)", "takes 2 arguments"),  # the plugin does not see the quotes
        ("$__conditionalAll(a = 1, ${one:singlequote})", "bare $variable"),
        ("SELECT $nobody", "no variable $nobody"),
        ("SELECT ${one:json}", "format :json"),
    ],
)
def test_what_the_plugin_refuses(sql: str, says: str) -> None:
    """What the plugin refuses, or leaves in the SQL so that ClickHouse does, is told."""
    with pytest.raises(MacroError) as refused:
        macros.of_panel(sql, AT)
    assert says in str(refused.value)


@pytest.mark.parametrize("sql", ["SELECT ${one:singlequote}", "SELECT $one", "$__conditionalAll(a IN ($one), $one)"])
def test_rules_know_no_variables(sql: str) -> None:
    """Nobody replaces variables in a rule of an alert."""
    with pytest.raises(MacroError):
        macros.of_rule(sql, AT)


def test_comments_hold_no_macros() -> None:
    """The backend takes comments out before it looks for macros."""
    assert macros.of_panel("SELECT 1 -- $__nonsense(\n", AT).strip() == "SELECT 1"


def test_values_stay_values(world: object) -> None:
    """Whatever somebody types arrives as that text, and what is chosen of a list does, too."""
    ask = world.asker.ask  # type: ignore[attr-defined]
    for text in (
        "x' OR '1'='1",
        "\\' OR 1=1",
        "it's",
        "100 %, (a) *!~",
        "日本 🙂",
        "$__timeFilter(c) ${all}",
        "a+b&c=d",
    ):
        sql = macros.of_panel(
            "SELECT decodeURLComponent('${typed:percentencode}')", Context(0, 1, variables={"typed": text})
        )
        assert ask(sql).rows == [[text]]
    chosen = ["it's", "a, b", "c) OR (1", "日本"]
    sql = macros.of_panel("SELECT [${several:singlequote}]", Context(0, 1, variables={"several": chosen}))
    assert ask(sql).rows == [[chosen]]
