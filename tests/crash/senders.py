"""Senders that behave as exporters do: they send until it is acknowledged, and remember what was."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import httpx
from google.protobuf.message import Message
from otlp_builders import POINTS, log_record, logs, metric, metrics, point, span, traces
from processes import PROTOBUF, CollectorProcess, plain_client

from collector import datadir
from collector.receive.wire import WIRE
from collector.request import Signal

ITEMS = 10  # in each request
OLD = 3  # spans of each request that are of the day before
_DAY = 86_400 * 10**9
PAUSE = 0.005  # seconds between two requests, for the collector to have the processor
PATIENCE = 120  # seconds a sender tries to get one request through


@dataclass(frozen=True)
class Content:
    """What a request of one signal holds, and where its rows are found again.

    Attributes:
        make: makes the request of a name; each item has the name and, as the attribute `item`, its number.
        tables: how many of its rows go to which.
        name: the column of those tables that holds the request's name.
        attributes: the column of those tables that holds the attributes.
    """

    make: Callable[[str], Message]
    tables: dict[str, int]
    name: str
    attributes: str


def _spans(name: str) -> Message:
    """Make interactions of two sessions, one the request's own and one all of its sender's; the first are old."""
    sessions, now = (name, name.rpartition("-")[0]), time.time_ns()
    return traces(
        *(
            span(
                name,
                {"interaction.type": "event", "session.id": sessions[number % 2], "item": number},
                start_time_unix_nano=now - _DAY * (number < OLD),
                end_time_unix_nano=now - _DAY * (number < OLD),
            )
            for number in range(ITEMS)
        )
    )


def _records(name: str) -> Message:
    return logs(*(log_record(name, {"item": number}) for number in range(ITEMS)))


def _points(name: str) -> Message:
    """Make a metric of every kind; each kind goes to a table of its own."""
    numbers = range(ITEMS // len(POINTS))
    return metrics(*(metric(kind, *(point(kind, {"item": each}) for each in numbers), name=name) for kind in POINTS))


POINT_TABLES = {f"otel_metrics_{kind}": ITEMS // len(POINTS) for kind in POINTS}
SENT = {
    Signal.TRACES: Content(_spans, {"otel_traces": ITEMS}, "SpanName", "SpanAttributes"),
    Signal.LOGS: Content(_records, {"otel_logs": ITEMS}, "Body", "LogAttributes"),
    Signal.METRICS: Content(_points, POINT_TABLES, "MetricName", "Attributes"),
}


class Sender(threading.Thread):
    """Sends distinct requests over one protocol, each until it is acknowledged; with `twice`, each once more after.

    The signals take turns.
    """

    def __init__(self, collector: CollectorProcess, label: str, protocol: str, *, twice: bool = False) -> None:
        super().__init__(name=f"sender-{label}", daemon=True)
        self.label = label
        self.acknowledged: dict[str, Signal] = {}
        self.unsure: dict[str, Signal] = {}
        self.failure = ""
        self._collector, self._twice = collector, twice
        self._send = self._over_grpc if protocol == "grpc" else self._over_http
        self._stop_requested = threading.Event()

    def finish(self) -> None:
        """Stop after the request under way."""
        self._stop_requested.set()
        self.join()

    def run(self) -> None:
        """Send; a request that never gets through ends the sender and is its failure."""
        for number, signal in enumerate(itertools.cycle(SENT)):
            if self._stop_requested.is_set():
                return
            name = f"{self.label}-{number:06d}"  # of one length: none is the beginning of another
            self.unsure[name] = signal
            body = SENT[signal].make(name).SerializeToString()
            if not self._until_acknowledged(signal, body):
                self.failure = f"{name} did not get through in {PATIENCE} s"
                return
            self.acknowledged[name] = self.unsure.pop(name)
            if self._twice:
                self._attempt(signal, body)
            time.sleep(PAUSE)

    def _until_acknowledged(self, signal: Signal, body: bytes) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._attempt(signal, body):
                return True
            time.sleep(0.05)
        return False

    def _attempt(self, signal: Signal, body: bytes) -> bool:
        addresses = datadir.endpoints(self._collector.data_dir)  # a restart has other ports
        return bool(addresses) and self._send(addresses, signal, body)

    @staticmethod
    def _over_grpc(addresses: dict[str, str], signal: Signal, body: bytes) -> bool:
        with grpc.insecure_channel(addresses["grpc"]) as channel:
            try:
                channel.unary_unary(f"/{WIRE[signal].service}/Export")(body, timeout=10)
            except grpc.RpcError:
                return False
            return True

    @staticmethod
    def _over_http(addresses: dict[str, str], signal: Signal, body: bytes) -> bool:
        url = f"http://{addresses['http']}{WIRE[signal].path}"
        try:
            with plain_client(timeout=10) as client:
                return client.post(url, content=body, headers=PROTOBUF).is_success
        except httpx.TransportError:
            return False
