"""How one embedded engine runs the clustered schema: what it cannot do is written another way, the rest is real.

It has no thread for ON CLUSTER, and replicated tables can be made in it but not be written to. So ON CLUSTER is left
out, and the engines are those they replicate, with as long a memory of tokens. Distributed tables are real: the cluster
has several shards, all of them this engine, and of each table a shard sees the rows that a hash of the whole row gives
it: an arbitrary placement, in which the rows of a session, and the states of a group, are anywhere.
"""

from __future__ import annotations

import re
from pathlib import Path

NAME = "main"
TCP_PORT = 9000  # nobody listens: it is how the engine knows that a shard is itself
_ON_CLUSTER = re.compile(rf" ON CLUSTER '{NAME}'")
_REPLICATED = re.compile(r"^ENGINE = Replicated(\w*MergeTree)\('[^']+', '[^']+'(?:, )?(.*)\)$", re.MULTILINE)
_WINDOW = re.compile(r"\breplicated_deduplication_window = \d+, replicated_deduplication_window_seconds = \d+")
_DISTRIBUTED = re.compile(r"^ENGINE = Distributed\('main', 'otel', '(\w+)'\)$", re.MULTILINE)


def config(folder: Path, shards: int) -> Path:
    """Write the configuration of an engine beside its folder."""
    hosts = ("127.0.0.1", "localhost")[:shards]
    of_shards = "".join(
        f"<shard><internal_replication>true</internal_replication>"
        f"<replica><host>{host}</host><port>{TCP_PORT}</port></replica></shard>"
        for host in hosts
    )
    servers = f"<remote_servers><{NAME}>{of_shards}</{NAME}></remote_servers>"
    path = folder.with_suffix(".xml")
    path.write_text(f"<clickhouse><tcp_port>{TCP_PORT}</tcp_port>{servers}</clickhouse>")
    return path


def statements(sql: str, shards: int) -> list[str]:
    """Return what runs here of a statement of the clustered schema; any other statement as it is."""
    sql = _ON_CLUSTER.sub("", sql)
    sql = _REPLICATED.sub(lambda engine: f"ENGINE = {engine[1]}({engine[2]})", sql)
    sql = _WINDOW.sub("non_replicated_deduplication_window = 10000", sql)
    table = _DISTRIBUTED.search(sql)
    if not table:
        return [sql]
    of_shard = f"{table[1].removesuffix('_local')}_of_shard"
    placed = f"(cityHash64(toString(tuple(*))) % {shards}) + 1 = shardNum()"
    view = f"SELECT COLUMNS('.') FROM otel.{table[1]} WHERE {placed} SETTINGS asterisk_include_materialized_columns = 1"
    return [f"CREATE VIEW IF NOT EXISTS otel.{of_shard} AS {view}", sql.replace(f"'{table[1]}'", f"'{of_shard}'")]
