"""Senders that behave as exporters do: they send until it is acknowledged, and remember what was."""

from __future__ import annotations

import threading
import time

import grpc
import httpx
from otlp_builders import span, traces
from processes import PROTOBUF, CollectorProcess

from collector import datadir

SPANS = 10  # in each request
PATIENCE = 120  # seconds a sender tries to get one request through


class Sender(threading.Thread):
    """Sends distinct requests over one protocol, each until it is acknowledged; with `twice`, each once more after."""

    def __init__(self, collector: CollectorProcess, label: str, protocol: str, *, twice: bool = False) -> None:
        super().__init__(name=f"sender-{label}", daemon=True)
        self.label = label
        self.acknowledged: list[str] = []
        self.unsure: set[str] = set()
        self.failure = ""
        self._collector, self._protocol, self._twice = collector, protocol, twice
        self._stop_requested = threading.Event()

    def finish(self) -> None:
        """Stop after the request under way."""
        self._stop_requested.set()
        self.join()

    def run(self) -> None:
        """Send; a request that never gets through ends the sender and is its failure."""
        number = 0
        while not self._stop_requested.is_set():
            name = f"{self.label}-{number}"
            number += 1
            self.unsure.add(name)
            body = traces(
                *(span(name, {"interaction.type": "event", "session.id": name}) for _ in range(SPANS))
            ).SerializeToString()
            if not self._until_acknowledged(body):
                self.failure = f"{name} did not get through in {PATIENCE} s"
                return
            self.acknowledged.append(name)
            self.unsure.discard(name)
            if self._twice:
                self._attempt(body)

    def _until_acknowledged(self, body: bytes) -> bool:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._attempt(body):
                return True
            time.sleep(0.05)
        return False

    def _attempt(self, body: bytes) -> bool:
        addresses = datadir.endpoints(self._collector.data_dir)  # a restart has other ports
        if not addresses:
            return False
        return (
            self._over_grpc(addresses["grpc"], body)
            if self._protocol == "grpc"
            else self._over_http(addresses["http"], body)
        )

    def _over_grpc(self, address: str, body: bytes) -> bool:
        with grpc.insecure_channel(address) as channel:
            try:
                channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")(body, timeout=10)
            except grpc.RpcError:
                return False
            return True

    def _over_http(self, address: str, body: bytes) -> bool:
        try:
            return httpx.post(f"http://{address}/v1/traces", content=body, headers=PROTOBUF, timeout=10).is_success
        except httpx.TransportError:
            return False
