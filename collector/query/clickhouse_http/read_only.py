"""Decides, before a statement runs, whether all it can do is read the tables of this database.

`SET readonly = 1` alone is not enough in the embedded engine, which trusts whoever can type into it. It lets through,
each of them tried: a second statement after `;`, the function `file('/etc/passwd')` (also as `COLUMNS(…) APPLY file`),
`INTO OUTFILE`, `KILL QUERY`, `SYSTEM STOP MERGES`, `BACKUP`, `DESCRIBE url(…)` and `DESCRIBE file(…)`, functions that
call AI services, and `EXISTS default.name`, which asks for a file. So a statement passes three gates:

1. The engine's own classifier: one statement, and one that reads.
2. The engine's own parse tree, as JSON (`parseQueryToJSON`; the statement travels as a parameter, so nothing in it can
   be taken for part of our question). What may stand in the tree is listed; what is not listed is refused. The tree
   must print back to what the statement prints to, needless parentheses aside: what the tree leaves out, the guard
   has not seen.
   The few statements the JSON cannot hold (DESCRIBE, SHOW CREATE, EXISTS …) are rewritten, from the engine's canonical
   text, into the SELECT that names the same table, and that is judged.
3. `readonly = 1` on the connection it runs on. Settings in a statement's own SETTINGS clause that a reader may change
   are applied before that; the clause then changes nothing and passes.

Who reads for one tenant reads through row policies and grants (`collector.access.row_policies`). The guard closes to
them what policies and grants do not know: tables of `system` that tell of everybody, EXPLAIN, names that only the
engine would see (identifiers sent as parameters), and functions that ask a dictionary, ours included.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from collector.query.clickhouse_http import query_settings
from collector.query.clickhouse_http.embedded import Session, quoted
from collector.query.clickhouse_http.query_error import QueryError, bad_arguments, closed, read_only

_TREE = (
    "WITH parseQueryToJSON({q:String}) AS tree, "
    "formatQueryFromJSON(tree) AS seen, formatQuerySingleLine({q:String}) AS said "
    "SELECT replaceRegexpAll(seen, '[()]', '') = replaceRegexpAll(said, '[()]', ''), tree FORMAT TabSeparatedRaw"
)
_CANONICAL = "SELECT formatQuerySingleLine({q:String}) FORMAT TabSeparatedRaw"
_PRINTED = "SELECT formatQueryFromJSON({q:String}) FORMAT TabSeparatedRaw"
_CHANGES = re.compile(r"(?i)\s*(?:SET|USE)\b")  # what may be SET or USE: the tree tells
_LONGEST: Final = 262_144  # bytes, the parser's `max_query_size`; the classifier has none, and takes 100 times as much
_NOT_IN_JSON: Final = "does not support JSON serialization"

_NODES: Final = frozenset(
    {
        "SelectWithUnionQuery",
        "SelectIntersectExceptQuery",
        "SelectQuery",
        "ExplainQuery",
        "ShowTablesQuery",
        "ShowColumnsQuery",
        "ShowIndexesQuery",
        "SetQuery",
        "Subquery",
        "WithElement",
        "ExpressionList",
        "TablesInSelectQuery",
        "TablesInSelectQueryElement",
        "TableExpression",
        "TableIdentifier",
        "TableJoin",
        "ArrayJoin",
        "SampleRatio",
        "Function",
        "Identifier",
        "Literal",
        "QueryParameter",
        "Asterisk",
        "QualifiedAsterisk",
        "ColumnsListMatcher",
        "ColumnsRegexpMatcher",
        "QualifiedColumnsListMatcher",
        "QualifiedColumnsRegexpMatcher",
        "ColumnsTransformerList",
        "ColumnsApplyTransformer",
        "ColumnsExceptTransformer",
        "ColumnsReplaceTransformer",
        "ColumnsReplaceTransformerReplacement",
        "OrderByElement",
        "InterpolateElement",
        "WindowDefinition",
        "WindowListElement",
    }
)
# Tables out of thin air. Every other table function reaches for a file, a socket, a process or another table.
_TABLE_FUNCTIONS: Final = frozenset(
    {
        "numbers",
        "numbers_mt",
        "primes",
        "generateseries",
        "generate_series",
        "generaterandom",
        "null",
        "values",
        "sqlstandardvalues",
        "view",
    }
)
_FUNCTIONS: Final = frozenset({"file", "logtrace", "generateserialid"})  # and those that call AI services
_TABLES: Final = frozenset({"stack_trace"})  # signals every thread of our process
_IN: Final = frozenset(
    f"{place}{negation}{null}in{ending}"
    for place in ("", "global")
    for negation in ("", "not")
    for null in ("", "null")
    for ending in ("", "ignoreset")
)
# What a tenant may see of `system`: what the engine is, not what is in it.
_SYSTEM: Final = frozenset(
    {
        "aggregate_function_combinators",
        "collations",
        "data_type_families",
        "formats",
        "functions",
        "keywords",
        "numbers",
        "numbers_mt",
        "one",
        "settings",
        "table_functions",
        "time_zones",
        "zeros",
        "zeros_mt",
    }
)
_SHOWN_TO_ALL: Final = frozenset({"caches", "cluster", "clusters", "merges"})

# From the canonical text, so there is one space and one spelling.
_REWRITES: Final = (
    (re.compile(r"DESCRIBE (?:TABLE )?|(?:EXISTS|SHOW CREATE) (?:TABLE|VIEW|DICTIONARY|DATABASE) "), "SELECT * FROM "),
    (re.compile(r"SHOW (?:ENGINES|FUNCTIONS(?: I?LIKE '(?:[^'\\]|\\.)*')?)(?![^ ])"), "SELECT 1"),
    (re.compile(r"SHOW PROCESSLIST(?![^ ])"), "SELECT * FROM system.processes"),
)
_FILTERS: Final = "additional_table_filters"

Node = dict[str, Any]


@dataclass(frozen=True)
class Catalogue:
    """What the guard has to know of this engine, asked once."""

    databases: frozenset[str]
    closed_databases: frozenset[str]  # their table names are file names
    table_functions: frozenset[str]  # lower case, without those that are ordinary functions too
    closed_functions: frozenset[str]
    dictionary_functions: frozenset[str]  # those that ask a dictionary, which has every tenant's rows


@dataclass(frozen=True)
class Change:
    """What SET or USE ask for; whether a reader may have it is judged by whoever applies it."""

    settings: dict[str, str] = field(default_factory=dict)
    database: str = ""


@dataclass
class Verdict:
    """A statement that may run."""

    output_format: str = ""  # of its FORMAT clause
    settings: dict[str, str] = field(default_factory=dict)  # of its SETTINGS clauses, those a reader may change
    change: Change | None = None  # it is SET or USE
    whole: bool = False  # its result cannot be had block by block: only a SELECT's can, and totals come after the rows


def catalogue(session: Session) -> Catalogue:
    """Ask the engine what there is."""

    def names(sql: str) -> frozenset[str]:
        return frozenset(session.query(sql, "TSVRaw").decode().split())

    functions = names("SELECT lower(name) FROM system.functions")
    return Catalogue(
        names("SELECT name FROM system.databases"),
        names("SELECT name FROM system.databases WHERE engine NOT IN ('Atomic', 'Memory', 'Ordinary', 'Replicated')"),
        names("SELECT lower(name) FROM system.table_functions") - functions - _TABLE_FUNCTIONS,
        names("SELECT lower(name) FROM system.functions WHERE categories = 'AI'") | _FUNCTIONS,
        names(
            "SELECT lower(name) FROM system.functions"
            " WHERE name ILIKE 'dict%' OR (origin = 'SQLUserDefined' AND create_query ILIKE '%dict%')"
        ),
    )


def check(
    session: Session, sql: str, parameters: Mapping[str, str], known: Catalogue, own: str | None = None
) -> Verdict:
    """Judge a statement without running any of it.

    Args:
        session: A connection, to ask the engine's parser.
        sql: The statement.
        parameters: What its `{name:Type}` stand for.
        known: What there is.
        own: The one database a tenant may read, None for who reads everything.

    Raises:
        QueryError: it is not one statement, does not parse, or does more than read.
    """
    if len(sql.encode()) > _LONGEST:
        raise QueryError(62, "SYNTAX_ERROR", f"Max query size exceeded: {_LONGEST} bytes.")
    statements, reads = session.classify(sql)
    if statements != 1:
        _ask(session, _CANONICAL, sql)  # raises what the parser says against it
    if not reads:
        return Verdict(change=_change(session, sql, parameters, known, own))
    try:
        tree = _tree(session, sql)
    except QueryError as error:
        if _NOT_IN_JSON not in error.message:
            raise
        verdict = _Inspector(session, parameters, known, own).inspect(_tree(session, _rewritten(session, sql)))
        verdict.whole = True
        return verdict
    return _Inspector(session, parameters, known, own).inspect(tree)


def _change(session: Session, sql: str, parameters: Mapping[str, str], known: Catalogue, own: str | None) -> Change:
    """Return what a SET or a USE asks for; refuse every other statement that does more than read."""
    if session.classify(sql)[0] != 1 or not _CHANGES.match(sql):
        raise read_only()
    try:
        tree = _tree(session, sql)
    except QueryError as error:
        raise read_only() if _NOT_IN_JSON in error.message else error from None
    if tree["type"] == "UseQuery" and set(tree) == {"type", "database"} and set(tree["database"]) == {"type", "name"}:
        return Change(database=tree["database"]["name"])
    if tree["type"] != "SetQuery" or set(tree) != {"type", "is_standalone", "changes"}:
        raise read_only()
    settings = {change["name"]: _setting_text(change["value"]) for change in tree["changes"]}
    if _FILTERS in settings:
        _Inspector(session, parameters, known, own).inspect(tree)  # the expressions in it
    return Change(settings)


def without_rows(session: Session, sql: str) -> str:
    """Return a statement with the columns of a SELECT that `check` let pass, and no rows.

    Raises:
        QueryError: it cannot be said as a subquery.
    """
    tree = _tree(session, sql)
    tree.pop("format_ast", None)
    return f"SELECT * FROM ({_ask(session, _PRINTED, json.dumps(tree))}\n) LIMIT 0"  # noqa: S608 - from the engine's own tree


def _tree(session: Session, sql: str) -> Node:
    same, _, text = _ask(session, _TREE, sql).partition("\t")
    if same != "1":
        raise read_only("The statement does not print back to itself.")
    try:
        tree: Node = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        raise QueryError(167, "TOO_DEEP_AST", "AST is too deep or cannot be read.") from None
    return tree


def _without_doubles(pairs: list[tuple[str, Any]]) -> Node:
    node = dict(pairs)
    if len(node) != len(pairs):
        raise ValueError("a name stands twice")  # one of the two would go unseen
    return node


def _rewritten(session: Session, sql: str) -> str:
    canonical = _ask(session, _CANONICAL, sql)
    for pattern, select in _REWRITES:
        if found := pattern.match(canonical):
            return select + canonical[found.end() :]
    raise read_only()


def _ask(session: Session, question: str, sql: str) -> str:
    return session.query(question, "TSVRaw", {"q": _escaped(sql)}).decode(errors="replace").removesuffix("\n")


def _escaped(text: str) -> str:
    """Escape a parameter's value: the engine reads it as a field of TabSeparated."""
    for plain, escape in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"), ("\0", "\\0")):
        text = text.replace(plain, escape)
    return text


class _Inspector:
    """Looks at every node of one tree."""

    def __init__(self, session: Session, parameters: Mapping[str, str], known: Catalogue, own: str | None) -> None:
        self._session = session
        self._parameters = parameters
        self._known = known
        self._own = own
        self._foreign = known.databases - {own} if own else frozenset[str]()
        self._verdict = Verdict()
        self._checks = {
            "Function": self._function,
            "ColumnsApplyTransformer": self._apply,
            "TableExpression": self._table_expression,
            "TableIdentifier": self._table,
            "SetQuery": self._settings,
            "QueryParameter": self._parameter,
            "ExplainQuery": self._explain,
            "ShowTablesQuery": self._show,
        }

    def inspect(self, tree: Node) -> Verdict:
        if "out_file" in tree:
            raise read_only()
        self._verdict.whole = tree["type"] != "SelectWithUnionQuery"
        self._verdict.output_format = (tree.get("format_ast") or {}).get("name", "")
        for node in _nodes(tree):
            kind = node["type"]
            if kind not in _NODES or "out_file" in node:
                raise read_only(f"{kind} is not served here.")
            self._verdict.whole |= bool(node.get("group_by_with_totals"))
            if judge := self._checks.get(kind):
                judge(node)
        return self._verdict

    def _function(self, node: Node) -> None:
        self._called(node["name"])
        arguments = (node.get("arguments") or {}).get("children", [])
        if node["name"].lower() in _IN and arguments[1:] and arguments[1]["type"] == "Identifier":
            self._table(arguments[1])  # x IN some_table

    def _apply(self, node: Node) -> None:
        self._called(node.get("func_name", ""))

    def _called(self, name: str) -> None:
        last = name.lower().rpartition(".")[2]
        if last in self._known.closed_functions or last in self._known.table_functions:
            raise read_only(f"Function {name} is not served here.")
        if self._own and last in self._known.dictionary_functions:
            raise closed(f"Function {name}")

    def _table_expression(self, node: Node) -> None:
        function = node.get("table_function")
        if function and function["name"].lower() not in _TABLE_FUNCTIONS:
            raise read_only(f"Table function {function['name']} is not served here.")

    def _table(self, node: Node) -> None:
        parts = list(node.get("name_parts") or [node["name"]])
        parts += [self._value(child) for child in node.get("children", []) if child["type"] == "QueryParameter"]
        if self._known.closed_databases.intersection(parts[:-1] or ()) or _TABLES.intersection(parts):
            raise read_only(f"Table {'.'.join(parts)} is not served here.")
        if parts[0] in self._foreign and not (parts[0] == "system" and parts[1:2] and parts[1] in _SYSTEM):
            raise closed(f"Table {'.'.join(parts)}")

    def _explain(self, node: Node) -> None:
        if self._own:
            raise closed("EXPLAIN")
        options = node.pop("settings", {})  # what to tell; the engine takes nothing else there
        if options.get("query_parameters"):
            raise read_only()

    def _show(self, node: Node) -> None:
        if self._own and _SHOWN_TO_ALL.intersection(node):
            raise closed("This SHOW")

    def _parameter(self, node: Node) -> None:
        if node["param_type"].strip() == "Identifier":
            if self._own:
                raise closed("An identifier as a parameter")
            value = self._value(node)
            if "\\" in value or value in self._known.closed_databases:
                raise read_only(f"Identifier {value} is not served here.")

    def _value(self, parameter: Node) -> str:
        return self._parameters.get(parameter["name"], "")

    def _settings(self, node: Node) -> None:
        if node.get("query_parameters"):
            raise read_only("Parameters are sent beside the statement, not in its SETTINGS.")
        for change in node.get("changes", []):
            if not query_settings.is_allowed(change["name"]):  # `readonly` refuses it too, but not in a subquery
                raise read_only(f"Setting {change['name']} is not a reader's.")
            self._verdict.settings[change["name"]] = _setting_text(change["value"])
            if change["name"] == _FILTERS:
                self._filters(change["value"])

    def _filters(self, value: Node) -> None:
        for expression in filter_expressions(value):
            # What is an expression here is one there: the parentheses cannot make a call disappear.
            verdict = check(self._session, f"SELECT ({expression}\n)", self._parameters, self._known, self._own)
            if verdict.settings:
                raise read_only()


def filters_statement(value: str) -> str:
    """Return a statement whose SETTINGS clause is this value of additional_table_filters, to be judged."""
    return f"SELECT 1 SETTINGS {_FILTERS} = {value}"


def filter_expressions(value: Node) -> list[str]:
    """Return the expressions in a value of additional_table_filters.

    Raises:
        QueryError: it is not a map of texts.
    """
    try:
        pairs = [pair["value"] for pair in value["value"]] if value["field_type"] == "Map" else None
        texts = [str(expression["value"]) for _, expression in pairs or []]
    except (KeyError, TypeError, ValueError):
        pairs, texts = None, []
    if pairs is None:
        raise bad_arguments(f"{_FILTERS} is a map of table to expression")
    return texts


def _setting_text(value: Node) -> str:
    plain = value["value"]
    if value["field_type"] == "Map":
        pairs = (pair["value"] for pair in plain)
        return "{" + ", ".join(f"{quoted(key['value'])}: {quoted(text['value'])}" for key, text in pairs) + "}"
    return str(int(plain)) if isinstance(plain, bool) else str(plain)


def _nodes(tree: Node) -> Iterator[Node]:
    """Walk all nodes, however deep; what a literal or a setting holds is data."""
    waiting: list[Any] = [tree]
    while waiting:
        current = waiting.pop()
        if isinstance(current, list):
            waiting += current
        elif isinstance(current, dict):
            if "type" in current:
                yield current
            if current.get("type") not in {"Literal", "SetQuery"}:
                waiting += current.values()
