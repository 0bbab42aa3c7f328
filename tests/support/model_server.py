"""A model behind the APIs of OpenAI (chat completions) and Gemini (generateContent), which always says the same.

It answers by the last message it is sent: a question of the weather with a call of the tool, the tool's result with the
answer, anything else with the farewell. So the libraries that record model calls can hold one and the same conversation
through their real clients.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SYSTEM = "You answer in one sentence."
QUESTION = "What is the weather in Paris?"
CALL_ID, TOOL, ARGUMENTS, RESULT = "call_paris_1", "get_weather", {"city": "Paris"}, "rainy, 14 degrees"
ANSWER = "It is rainy in Paris, 14 degrees."
FOLLOW_UP = "And what shall I wear?"
FAREWELL = "Take a coat and an umbrella."
MODEL, RESPONSE_MODEL = "gpt-4o-mini", "gpt-4o-mini-2024-07-18"
GEMINI = "gemini-2.5-flash"
# Tokens of the three calls, input and output.
TOKENS = ((57, 17), (85, 11), (103, 8))


def _step(last: str, *, of_tool: bool) -> int:
    return 1 if of_tool else 0 if "weather" in last else 2


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer a call of either API."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "enerateContent" in self.path:
            self._gemini(asked)
        elif self.path.endswith("/chat/completions"):
            self._openai(asked)
        else:
            self._send(404, "application/json", b'{"error": {"message": "no such path"}}')

    def _openai(self, asked: dict[str, Any]) -> None:
        last = asked["messages"][-1]
        step = _step(_text(last.get("content")), of_tool=last["role"] == "tool")
        if asked.get("stream"):
            self._send(200, "text/event-stream", "".join(_openai_events(step, asked)).encode())
        else:
            self._send(200, "application/json", json.dumps(_openai_completion(step)).encode())

    def _gemini(self, asked: dict[str, Any]) -> None:
        parts = asked["contents"][-1]["parts"]
        step = _step(" ".join(part.get("text", "") for part in parts), of_tool="functionResponse" in parts[0])
        if "stream" in self.path:
            self._send(200, "text/event-stream", "".join(_gemini_events(step)).encode())
        else:
            self._send(200, "application/json", json.dumps(_gemini_response(step)).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        """Stay quiet."""


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "") for part in content)
    return content or ""


def _usage(step: int) -> dict[str, Any]:
    read, written = TOKENS[step]
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": 32 if step == 1 else 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3 if step == 1 else 0, "audio_tokens": 0},
    }


def _openai_message(step: int) -> dict[str, Any]:
    if step:
        return {"role": "assistant", "content": ANSWER if step == 1 else FAREWELL}
    function = {"name": TOOL, "arguments": json.dumps(ARGUMENTS)}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": CALL_ID, "type": "function", "function": function}],
    }


def _openai_completion(step: int) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": _openai_message(step),
        "finish_reason": "stop" if step else "tool_calls",
        "logprobs": None,
    }
    return _openai_head(step, "chat.completion") | {"choices": [choice], "usage": _usage(step)}


def _openai_head(step: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{step}", "object": kind, "created": 1780000000, "model": RESPONSE_MODEL}


def _openai_events(step: int, asked: dict[str, Any]) -> Iterator[str]:
    head = _openai_head(step, "chat.completion.chunk")
    message = _openai_message(step)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    if step:
        words = message["content"].split(" ")
        deltas += [{"content": word if n == 0 else f" {word}"} for n, word in enumerate(words)]
    else:
        deltas += [{"tool_calls": [{"index": 0} | message["tool_calls"][0]]}]
    for delta in deltas:
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop" if step else "tool_calls"}]})
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": _usage(step)})
    yield "data: [DONE]\n\n"


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body)}\n\n"


def _gemini_parts(step: int) -> list[dict[str, Any]]:
    return (
        [{"text": ANSWER if step == 1 else FAREWELL}]
        if step
        else [{"functionCall": {"id": CALL_ID, "name": TOOL, "args": ARGUMENTS}}]
    )


def _gemini_response(step: int) -> dict[str, Any]:
    read, written = TOKENS[step]
    return {
        "candidates": [
            {"content": {"role": "model", "parts": _gemini_parts(step)}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {"promptTokenCount": read, "candidatesTokenCount": written, "totalTokenCount": read + written},
        "modelVersion": GEMINI,
        "responseId": f"gemini-{step}",
    }


def _gemini_events(step: int) -> Iterator[str]:
    whole = _gemini_response(step)
    text = _gemini_parts(step)[0].get("text", "")
    half = len(text) // 2
    first = {"role": "model", "parts": [{"text": text[:half]}]}
    yield _event(
        {"candidates": [{"content": first, "index": 0}], "modelVersion": GEMINI, "responseId": f"gemini-{step}"}
    )
    whole["candidates"][0]["content"]["parts"] = [{"text": text[half:]}]
    yield _event(whole)


@contextmanager
def model_server() -> Iterator[str]:
    """Serve on a free port of the loopback; yield the base URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
