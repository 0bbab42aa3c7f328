"""Every setting of the SDK, one row each: argument, environment variables, type, default, sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings."""

    name: str
    """The argument of `configure()`; empty where only the environment sets it."""
    env: tuple[str, ...]
    """Its environment variables; the first that is set wins."""
    type: str
    default: str
    sentence: str


SETTINGS: Final = (
    Setting("enabled", ("OTEL_INTERACTIONS_ENABLED",), "bool", "true", "Record at all."),
    Setting(
        "capture_content",
        ("OTEL_INTERACTIONS_CAPTURE_CONTENT",),
        "full | metadata | none",
        "full",
        "Record what was said: message texts, transcripts, tool arguments and results. metadata (or false) keeps only "
        "their lengths, none not even these; what other instrumentations record of it is left out too.",
    ),
    Setting(
        "max_field_bytes",
        ("OTEL_INTERACTIONS_MAX_FIELD_BYTES",),
        "int",
        "1048576",
        "The most of one text that is kept; what is cut says how long it was, and its SHA-256.",
    ),
    Setting(
        "service_name",
        ("OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"),
        "str",
        "unknown_service:<executable>",
        "The name of the application.",
    ),
    Setting("service_version", ("OTEL_RESOURCE_ATTRIBUTES",), "str", "", "The version of the application."),
    Setting(
        "environment",
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "str",
        "",
        "Where it runs: production, staging (`deployment.environment.name`).",
    ),
    Setting(
        "resource_attributes",
        ("OTEL_RESOURCE_ATTRIBUTES",),
        "mapping",
        "",
        "More attributes of the application, on everything it sends.",
    ),
    Setting(
        "endpoint",
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        "url",
        "http://localhost:4317 (grpc), http://localhost:4318 (http/protobuf)",
        "The collector; https:// switches TLS on.",
    ),
    Setting(
        "protocol",
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"),
        "grpc | http/protobuf",
        "grpc",
        "How to speak to the collector.",
    ),
    Setting(
        "headers",
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"),
        "mapping",
        "",
        "Headers of each request to the collector, for its keys.",
    ),
    Setting(
        "fallback_endpoint",
        ("OTEL_INTERACTIONS_FALLBACK_ENDPOINT",),
        "url | off",
        "port 4318 for a collector at 4317, and the other way round",
        "Where the same collector takes the other protocol, for when nobody answers.",
    ),
    Setting(
        "spool_dir",
        ("OTEL_INTERACTIONS_SPOOL_DIR",),
        "path | off",
        "$XDG_STATE_HOME/otel-interactions/spool",
        "Where spans wait for the collector, so that they outlive the process; off keeps them in memory.",
    ),
    Setting(
        "spool_max_mib",
        ("OTEL_INTERACTIONS_SPOOL_MAX_MIB",),
        "int",
        "512",
        "The most the spool takes of the disk, for one collector.",
    ),
    Setting(
        "spool_max_hours",
        ("OTEL_INTERACTIONS_SPOOL_MAX_HOURS",),
        "int",
        "168",
        "How long spans wait in the spool; then they are deleted and counted.",
    ),
    Setting(
        "spool_when_full",
        ("OTEL_INTERACTIONS_SPOOL_WHEN_FULL",),
        "drop_oldest | drop_newest",
        "drop_oldest",
        "Which spans go when the spool is full; the application never waits.",
    ),
    Setting(
        "min_severity",
        ("OTEL_INTERACTIONS_MIN_SEVERITY",),
        "debug | info | warn | error",
        "debug",
        "The least severity of an event that is recorded.",
    ),
    Setting(
        "disabled_sources",
        ("OTEL_INTERACTIONS_DISABLED_SOURCES",),
        "list",
        "",
        "Events, errors and UI events from these sources are not recorded: client, server, middleware, api, worker, "
        "system.",
    ),
    Setting(
        "sample_rates",
        ("OTEL_INTERACTIONS_SAMPLE_RATES",),
        "type=share, …",
        "",
        "The share of the sessions in which a type of interaction is recorded: ui_event=0.1; * for all other types.",
    ),
    Setting(
        "rate_limits",
        ("OTEL_INTERACTIONS_RATE_LIMITS",),
        "type=number, …",
        "",
        "How many interactions of a type one process records a second: ui_event=50; * for all other types.",
    ),
    Setting(
        "anonymous",
        ("OTEL_INTERACTIONS_ANONYMOUS",),
        "bool",
        "false",
        "Record everybody anonymously, whatever they agreed to.",
    ),
    Setting(
        "require_consent",
        ("OTEL_INTERACTIONS_REQUIRE_CONSENT",),
        "bool",
        "false",
        "Record those anonymously who have not agreed to be known: session(consent=True).",
    ),
    Setting(
        "consent",
        (),
        "function",
        "",
        "What a user agreed to, where the session does not say: a function of the user's id to True, False or None.",
    ),
    Setting(
        "hash_key",
        ("OTEL_INTERACTIONS_HASH_KEY",),
        "str",
        "a new one in each process",
        "The key of the hashes that stand for anonymous ids; the same in all processes that share sessions.",
    ),
    Setting(
        "redact",
        ("OTEL_INTERACTIONS_REDACT",),
        "list",
        "",
        "What is taken out of all texts, not only those of anonymous people: emails, phones, cards, iban, tokens, ips, "
        "or all.",
    ),
    Setting(
        "redact_patterns",
        (),
        "mapping",
        "",
        "Regular expressions of your own, by the word that stands for what they match.",
    ),
    Setting(
        "redact_functions",
        (),
        "functions",
        "",
        "Functions of your own: (name of the attribute, text) to the text that may leave.",
    ),
    Setting(
        "heartbeat_seconds",
        ("OTEL_INTERACTIONS_HEARTBEAT_SECONDS",),
        "int | off",
        "60",
        "How often a session in which nothing else happens tells that it is open still.",
    ),
    Setting(
        "propagate",
        ("OTEL_INTERACTIONS_PROPAGATE",),
        "list",
        "session",
        "Which ids go to other services in W3C baggage and are taken from it: session, user; off for none.",
    ),
    Setting("", ("OTEL_SDK_DISABLED",), "bool", "false", "Switch OpenTelemetry, and so this SDK, off."),
    Setting("", ("OTEL_EXPORTER_OTLP_TIMEOUT",), "seconds", "10", "How long one request may take."),
    Setting("", ("OTEL_EXPORTER_OTLP_COMPRESSION",), "none | gzip", "none", "Whether requests are compressed."),
    Setting("", ("OTEL_EXPORTER_OTLP_INSECURE",), "bool", "false", "No TLS for a gRPC address without http://."),
    Setting("", ("OTEL_EXPORTER_OTLP_CERTIFICATE",), "path", "", "Certificates of collectors that are trusted."),
    Setting("", ("OTEL_EXPORTER_OTLP_CLIENT_KEY",), "path", "", "Our own private key, for mTLS."),
    Setting("", ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",), "path", "", "Our own certificate, for mTLS."),
    Setting("", ("OTEL_BSP_SCHEDULE_DELAY",), "milliseconds", "1000", "How long a span waits for its batch to fill."),
    Setting("", ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE",), "int", "512", "Spans in one batch."),
    Setting("", ("OTEL_BSP_MAX_QUEUE_SIZE",), "int", "2048", "Spans kept in memory; beyond, new ones are dropped."),
    Setting("", ("OTEL_TRACES_SAMPLER",), "str", "parentbased_always_on", "Which sessions to keep."),
)
