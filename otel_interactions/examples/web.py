"""A chat behind FastAPI: the requests and the WebSocket of one browser are one session (run it with uvicorn)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.responses import StreamingResponse

import otel_interactions as oi
from otel_interactions.integrations.asgi import SessionMiddleware

oi.configure(service_name="concierge")
app = FastAPI()
app.add_middleware(SessionMiddleware, trusted_proxies=["10.0.0.0/8"], exclude=["/health", "/static"])


@app.post("/ask")
async def ask(question: str) -> StreamingResponse:
    """Answer in pieces; what is recorded while they are sent belongs to the session of the request."""
    oi.user_message(question)

    @oi.assistant_response(model="gpt-5-mini")
    async def answer() -> AsyncIterator[str]:
        for word in ("Yes,", " it", " will", " rain."):
            yield word

    return StreamingResponse(answer())


@app.websocket("/chat")
async def chat(socket: WebSocket) -> None:
    """Talk until the client goes; then the session ends with the reason `disconnect`."""
    await socket.accept()
    try:
        while True:
            oi.user_message(await socket.receive_text())
            await socket.send_text("Noted.")
    except WebSocketDisconnect:
        oi.event("calls", "the user hung up")
