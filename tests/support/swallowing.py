"""A network between sender and collector that loses acknowledgements."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Swallowing:
    """A TCP proxy: once the collector has answered, the first connections are cut before the sender hears of it.

    Attributes:
        address: where to send.
        swallowed: how many connections were cut.
    """

    def __init__(self, target: str, connections: int = 1) -> None:
        """Cut so many connections to `target`, host:port, when `marker` comes back; pass on all others."""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._left = connections
        self.swallowed = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        self._threads = [threading.Thread(target=self._accept)]
        self._open: list[socket.socket] = []
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in self._open:
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                sender, _ = self._listener.accept()
            except OSError:
                return
            collector = socket.create_connection((self._host, self._port))
            self._open += [sender, collector]
            cut, self._left = self._left > 0, self._left - 1
            for source, sink, swallow in ((sender, collector, False), (collector, sender, cut)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, sink, swallow)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, sink: socket.socket, swallow: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if swallow and self._is_answer(data):
                    self.swallowed += 1
                    sink.shutdown(socket.SHUT_RDWR)
                    source.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    @staticmethod
    def _is_answer(data: bytes) -> bool:
        """Tell an answer to a request from what HTTP/2 says of itself: it has headers, a frame of type 1."""
        if data.startswith(b"HTTP/1.1"):
            return True
        while len(data) >= 9:
            if data[3] == 1:
                return True
            data = data[9 + int.from_bytes(data[:3]) :]
        return False
