"""What a ClickHouse error means for the segment it hit: wait, call the operator, suspect the bytes, or take them apart.

Acknowledged data is set aside only after proof, because an error alone proves little. A view that the operator has
broken refuses every request with the same code as one odd request does; a memory limit hits the large segment and
spares the small one. So there are four fates:

- TRANSIENT: the server's state. Tried again for ever, with growing pauses.
- OPERATOR: somebody has to act: a table is gone, access is denied, the schema does not fit. Tried again for ever as
  well, and `hint` says what to do. Nothing is ever set aside for it.
- DATA: most likely the bytes. The segment is taken apart at once, down to the requests that are refused alone.
- SUSPECT: perhaps the bytes, perhaps their number, perhaps the server. Tried again, and taken apart once it is proven
  that this segment alone is refused: `PROOF_TRIES` times, while others of its signal were loaded. What nobody has
  listed here is a suspect.

A request ends in the dead letters if it is refused alone, with DATA or SUSPECT, and either the parser has refused it,
which only its bytes can cause, or another request of its signal was loaded meanwhile.

Codes and names are the engine's own (`system.errors`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from clickhouse_connect.driver.exceptions import ClickHouseError

from collector.errors import CollectorError

PROOF_TRIES = 5
UNKNOWN = 0  # the code of an error that carries none
_PARSER = "ProtobufRowInputFormat"  # named in an error of the parser, which comes before the first row is written
_CODE = re.compile(r"\bCode: (\d+)")
_NOISE = re.compile(
    r"^(?:Code: \d+\. DB::Exception: )+(?=Code: )| \(version [^()]*(?:\([^()]*\))?\)\.?(?: \([A-Z_]+\))?"
)
_LONGEST = 500  # characters of a message that people are shown


class Fate(Enum):
    """What becomes of a segment that met an error."""

    TRANSIENT = "transient"
    OPERATOR = "operator"
    SUSPECT = "suspect"
    DATA = "data"


BYTES_AT_FAULT = frozenset({Fate.DATA, Fate.SUSPECT})
"""What may be the fault of the bytes that were sent."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One error of ClickHouse.

    Attributes:
        name: what the engine calls it.
        fate: what becomes of the segment.
        why: why, in a word.
        hint: what the operator should do, for those that need one.
    """

    name: str
    fate: Fate
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one error that happened means.

    Attributes:
        code: ClickHouse's, `UNKNOWN` for none.
        fate: what becomes of the segment.
        sentence: the error in one line, with the hint where there is one.
        parser: whether the bytes did not parse; then they alone are at fault, and nothing of them is stored.
        expected: whether it is of a kind that comes from outside; else it is a fault of ours.
    """

    code: int
    fate: Fate
    sentence: str
    parser: bool
    expected: bool = True


_SCHEMA = "the tables are not as this version made them; run `otel-interactions schema migrate`, and see what changed"
_ACCESS = "check user, password and grants of --clickhouse-url"
_SETTINGS = "the server's profile forbids or lacks a setting the load needs; allow it for this user"
_PROTOBUF = "this ClickHouse cannot decode protobuf; start the collector with --decode collector"
_QUERY_LIMIT = "the user's profile limits the size of an insert; raise the limit for this user"
_DISK = "free space on ClickHouse's disks, or move old partitions away"
_READ_ONLY = "the table takes no inserts; see system.replicas, or the user's settings"


def _transient(why: str, **names: int) -> dict[int, Rule]:
    return {code: Rule(name, Fate.TRANSIENT, why) for name, code in names.items()}


def _operator(why: str, hint: str, **names: int) -> dict[int, Rule]:
    return {code: Rule(name, Fate.OPERATOR, why, hint) for name, code in names.items()}


def _suspect(why: str, **names: int) -> dict[int, Rule]:
    return {code: Rule(name, Fate.SUSPECT, why) for name, code in names.items()}


def _data(why: str, **names: int) -> dict[int, Rule]:
    return {code: Rule(name, Fate.DATA, why) for name, code in names.items()}


RULES: dict[int, Rule] = {
    **_transient(
        "network",
        CANNOT_READ_FROM_SOCKET=95,
        CANNOT_WRITE_TO_SOCKET=96,
        UNKNOWN_PACKET_FROM_CLIENT=99,
        UNKNOWN_PACKET_FROM_SERVER=100,
        UNEXPECTED_PACKET_FROM_CLIENT=101,
        UNEXPECTED_PACKET_FROM_SERVER=102,
        DNS_ERROR=198,
        NO_FREE_CONNECTION=203,
        SOCKET_TIMEOUT=209,
        NETWORK_ERROR=210,
        ALL_CONNECTION_TRIES_FAILED=279,
        EXTERNAL_SERVER_IS_NOT_RESPONDING=410,
        EXCHANGE_PEER_DISCONNECTED=1018,
    ),
    **_transient(
        "busy",
        QUOTA_EXCEEDED=201,
        TOO_MANY_SIMULTANEOUS_QUERIES=202,
        QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING=216,
        TOO_MANY_PARTS=252,
        RECEIVED_ERROR_TOO_MANY_REQUESTS=364,
        SESSION_IS_LOCKED=373,
        PART_IS_TEMPORARILY_LOCKED=384,
        CANNOT_SCHEDULE_TASK=439,
        DEADLOCK_AVOIDED=473,
        DISTRIBUTED_TOO_MANY_PENDING_BYTES=574,
        TOO_MANY_MUTATIONS=692,
        USER_SESSION_LIMIT_EXCEEDED=700,
        PART_IS_LOCKED=738,
        SERVER_OVERLOADED=745,
        TCP_CONNECTION_LIMIT_REACHED=749,
        HTTP_CONNECTION_LIMIT_REACHED=762,
        SESSION_REFUSED=763,
        RESOURCE_LIMIT_EXCEEDED=776,
        QUERY_SLOT_ACQUISITION_TIMEOUT=1019,
    ),
    **_transient(
        "starting, stopping or cancelled",
        ABORTED=236,
        UNFINISHED=341,
        SESSION_NOT_FOUND=372,
        QUERY_WAS_CANCELLED=394,
        NOT_INITIALIZED=667,
        THREAD_WAS_CANCELED=677,
        ASYNC_LOAD_FAILED=695,
        ASYNC_LOAD_CANCELED=696,
        ASYNC_LOAD_WAIT_FAILED=722,
        TABLE_IS_BEING_RESTARTED=733,
        CANNOT_WRITE_AFTER_BUFFER_CANCELED=734,
        QUERY_WAS_CANCELLED_BY_CLIENT=735,
    ),
    **_transient(
        "replication and Keeper",
        NO_ZOOKEEPER=225,
        REPLICA_IS_ALREADY_ACTIVE=224,
        NO_REPLICA_HAS_PART=234,
        UNEXPECTED_ZOOKEEPER_ERROR=244,
        NO_ACTIVE_REPLICAS=254,
        NO_AVAILABLE_REPLICA=265,
        TOO_FEW_LIVE_REPLICAS=285,
        UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE=286,
        REPLICA_IS_NOT_IN_QUORUM=289,
        SHARD_HAS_NO_CONNECTIONS=297,
        UNKNOWN_STATUS_OF_INSERT=319,  # the same token settles it
        ALL_REPLICAS_ARE_STALE=369,
        INSERT_WAS_DEDUPLICATED=389,
        ALL_REPLICAS_LOST=415,
        REPLICA_STATUS_CHANGED=416,
        NO_REMOTE_SHARD_AVAILABLE=519,
        NOT_A_LEADER=529,
        RAFT_ERROR=568,
        DATABASE_REPLICATION_FAILED=571,
        ZERO_COPY_REPLICATION_ERROR=593,
        UNKNOWN_STATUS_OF_TRANSACTION=659,
        TOO_MANY_UNAVAILABLE_SHARDS=904,
        KEEPER_EXCEPTION=999,
    ),
    **_transient(
        "disk and object storage",
        CANNOT_READ_FROM_ISTREAM=23,
        CANNOT_WRITE_TO_OSTREAM=24,
        CHECKSUM_DOESNT_MATCH=40,
        CANNOT_READ_FROM_FILE_DESCRIPTOR=74,
        CANNOT_WRITE_TO_FILE_DESCRIPTOR=75,
        CANNOT_OPEN_FILE=76,
        CANNOT_CREATE_DIRECTORY=172,
        CANNOT_FSYNC=204,
        CANNOT_STATVFS=214,
        CORRUPTED_DATA=246,
        CANNOT_DECOMPRESS=271,
        AIO_READ_ERROR=274,
        AIO_WRITE_ERROR=275,
        CANNOT_WRITE_TO_FILE=294,
        CANNOT_CREATE_IO_BUFFER=363,
        SYSTEM_ERROR=425,
        S3_ERROR=499,
        AZURE_BLOB_STORAGE_ERROR=500,
        CANNOT_CREATE_FILE=586,
        AWS_ERROR=693,
        GCP_ERROR=707,
        GOOGLE_CLOUD_ERROR=737,
        CACHE_CANNOT_WRITE_TO_CACHE_DISK=771,
        DISTRIBUTED_CACHE_ERROR=900,
        CANNOT_USE_DISTRIBUTED_CACHE=901,
        DISTRIBUTED_CACHE_REGISTRY_SHUTDOWN=903,
        DISTRIBUTED_CACHE_SERVER_IN_BACKOFF=905,
    ),
    **_operator("disk full", _DISK, NOT_ENOUGH_SPACE=243, TABLE_SIZE_LIMIT_EXCEEDED=1016),
    **_operator(
        "takes no inserts",
        _READ_ONLY,
        READONLY=164,
        TABLE_IS_READ_ONLY=242,
        TABLE_IS_PERMANENTLY_READ_ONLY=774,
    ),
    **_operator(
        "schema",
        _SCHEMA,
        THERE_IS_NO_COLUMN=8,
        NOT_FOUND_COLUMN_IN_BLOCK=10,
        NO_SUCH_COLUMN_IN_TABLE=16,
        NUMBER_OF_COLUMNS_DOESNT_MATCH=20,
        NUMBER_OF_ARGUMENTS_DOESNT_MATCH=42,
        ILLEGAL_TYPE_OF_ARGUMENT=43,
        ILLEGAL_COLUMN=44,
        UNKNOWN_FUNCTION=46,
        UNKNOWN_IDENTIFIER=47,
        UNKNOWN_TYPE=50,
        TYPE_MISMATCH=53,
        UNKNOWN_TABLE=60,
        SYNTAX_ERROR=62,
        UNKNOWN_AGGREGATE_FUNCTION=63,
        UNKNOWN_DATABASE=81,
        INCOMPATIBLE_COLUMNS=122,
        TABLE_IS_DROPPED=218,
        NO_COMMON_TYPE=386,
        QUERY_IS_NOT_SUPPORTED_IN_MATERIALIZED_VIEW=397,
        TOO_MANY_MATERIALIZED_VIEWS=712,
        DEDUPLICATION_IS_NOT_POSSIBLE=764,
    ),
    **_operator(
        "access",
        _ACCESS,
        UNKNOWN_USER=192,
        WRONG_PASSWORD=193,
        REQUIRED_PASSWORD=194,
        IP_ADDRESS_NOT_ALLOWED=195,
        DATABASE_ACCESS_DENIED=291,
        PATH_ACCESS_DENIED=481,
        QUOTA_REQUIRES_CLIENT_KEY=496,
        ACCESS_DENIED=497,
        UNKNOWN_ROLE=511,
        SET_NON_GRANTED_ROLE=512,
        AUTHENTICATION_FAILED=516,
        USER_EXPIRED=720,
        REQUIRED_SECOND_FACTOR=767,
    ),
    **_operator(
        "settings",
        _SETTINGS,
        UNKNOWN_SETTING=115,
        SUPPORT_IS_DISABLED=344,
        QUERY_IS_PROHIBITED=392,
        FUNCTION_NOT_ALLOWED=446,
        SETTING_CONSTRAINT_VIOLATION=452,
        INVALID_SETTING_VALUE=471,
        READONLY_SETTING=472,
        QUERY_NOT_ALLOWED=620,
    ),
    **_operator(
        "no protobuf",
        _PROTOBUF,
        NOT_IMPLEMENTED=48,
        UNKNOWN_FORMAT=73,
        FORMAT_IS_NOT_SUITABLE_FOR_INPUT=85,
        FEATURE_IS_NOT_ENABLED_AT_BUILD_TIME=401,
        CANNOT_PARSE_PROTOBUF_SCHEMA=434,
        DATA_TYPE_INCOMPATIBLE_WITH_PROTOBUF_FIELD=570,
    ),
    **_operator(
        "limits of the profile",
        _QUERY_LIMIT,
        TOO_MANY_ROWS=158,
        TOO_MANY_COLUMNS=161,
        QUERY_IS_TOO_LARGE=229,
        TOO_MANY_BYTES=307,
        TOO_MANY_ROWS_OR_BYTES=396,
    ),
    **_operator(
        "a file is missing",
        "a file of the collector or of the data directory is gone; install it again, or start it again",
        FILE_DOESNT_EXIST=107,
    ),
    **_suspect(
        "too much at once: half of it may pass",
        TIMEOUT_EXCEEDED=159,
        TOO_SLOW=160,
        CANNOT_ALLOCATE_MEMORY=173,
        MEMORY_LIMIT_EXCEEDED=241,
        LIMIT_EXCEEDED=290,
        TOO_MANY_PARTITIONS=565,
        TOO_SLOW_PARSING=718,
        MEMORY_RESERVATION_KILLED=777,
        MEMORY_RESERVATION_FAILED=778,
        MEMORY_RESERVATION_ACQUISITION_TIMEOUT=1020,
    ),
    **_suspect(
        "a fault of the engine, perhaps met by these bytes only",
        UNEXPECTED_END_OF_FILE=3,
        LOGICAL_ERROR=49,
        POCO_EXCEPTION=1000,
        STD_EXCEPTION=1001,
        UNKNOWN_EXCEPTION=1002,
    ),
    **_data(
        "does not parse",
        CANNOT_PARSE_TEXT=6,
        CANNOT_PARSE_ESCAPE_SEQUENCE=25,
        CANNOT_PARSE_QUOTED_STRING=26,
        CANNOT_PARSE_INPUT_ASSERTION_FAILED=27,
        ATTEMPT_TO_READ_AFTER_EOF=32,
        CANNOT_READ_ALL_DATA=33,
        CANNOT_PARSE_DATE=38,
        CANNOT_PARSE_DATETIME=41,
        CANNOT_PARSE_NUMBER=72,
        INCORRECT_DATA=117,
        CANNOT_PARSE_UUID=376,
        PROTOBUF_BAD_CAST=436,
        UNKNOWN_PROTOBUF_FORMAT=444,
        CANNOT_PARSE_BOOL=467,
        UNEXPECTED_DATA_AFTER_PARSED_VALUE=632,
        CANNOT_PARSE_IPV4=675,
        CANNOT_PARSE_IPV6=676,
    ),
    **_data(
        "a value a view or a column cannot take",
        SIZE_OF_FIXED_STRING_DOESNT_MATCH=19,
        BAD_ARGUMENTS=36,
        ARGUMENT_OUT_OF_BOUND=69,
        CANNOT_CONVERT_TYPE=70,
        TOO_LARGE_ARRAY_SIZE=128,
        TOO_LARGE_STRING_SIZE=131,
        ZERO_ARRAY_OR_TUPLE_INDEX=135,
        ILLEGAL_DIVISION=153,
        SIZES_OF_ARRAYS_DONT_MATCH=190,
        TOO_DEEP_RECURSION=306,
        VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE=321,
        CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN=349,
        FUNCTION_THROW_IF_VALUE_IS_NON_ZERO=395,
        DECIMAL_OVERFLOW=407,
        CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING=441,
        VIOLATED_CONSTRAINT=469,
        CANNOT_FORMAT_DATETIME=490,
        UNKNOWN_ELEMENT_OF_ENUM=691,
        UNICODE_ERROR=760,
    ),
}


def classify(error: Exception) -> Verdict:
    """Say what an error means that came up while a segment was on its way into ClickHouse.

    What carries no code of ClickHouse's is the network's, the disk's or a proxy's: transient, and so is a fault of
    ours. A code that is not in the table is a suspect.
    """
    text = str(error)
    code = getattr(error, "code", None) or _code_in(text)
    rule = RULES.get(code)
    fate = rule.fate if rule else Fate.SUSPECT if code else Fate.TRANSIENT
    line = _NOISE.sub("", (text.strip() or type(error).__name__).splitlines()[0])[:_LONGEST]
    sentence = str(CollectorError(line, hint=rule.hint if rule else ""))
    expected = isinstance(error, ClickHouseError | OSError | CollectorError)
    return Verdict(code, fate, sentence, parser=fate is Fate.DATA and _PARSER in text, expected=expected)


def _code_in(text: str) -> int:
    found = _CODE.search(text)
    return int(found[1]) if found else UNKNOWN
