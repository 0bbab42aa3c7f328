"""`otel-interactions serve`: run the collector."""

from __future__ import annotations

import asyncio
import os

from collector import allocator, settings, telemetry
from collector.cli.options import errors_as_sentences, with_settings


@errors_as_sentences
@with_settings(*settings.Settings.model_fields)
def serve(chosen: settings.Settings) -> None:
    """Run the collector until Ctrl-C or SIGTERM, then load what waits and exit."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what matters of its log reaches the operator as our own sentence
    allocator.give_back_large_blocks()
    import uvloop  # noqa: PLC0415 - only serving needs an event loop

    from collector.app import Collector  # noqa: PLC0415 - loads ClickHouse, half a second the other verbs need not wait

    telemetry.configure_logging(chosen.log_level, chosen.log_format)
    collector = Collector(chosen)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(collector.run())
