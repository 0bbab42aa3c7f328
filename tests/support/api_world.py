"""Two tenants, two users of the same names in each, and how everybody comes in."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
from processes import CollectorProcess, plain_client

SECRET = "a secret of the application, known to it and to the collector"  # noqa: S105 - of this test
TENANTS, USERS = ("acme", "beta"), ("ann", "bob")


def mark(tenant: str, user: str) -> str:
    """Return a text that stands in everything of a user, and nowhere else."""
    return f"mark-{tenant}-{user}"


def said(tenant: str, user: str) -> list[dict[str, Any]]:
    """Return what a user does: two sessions; both tenants have a session of the same id."""
    told = mark(tenant, user)
    contents = {
        "user_message": {"text": f"question {told}"},
        "assistant_response": {"text": f"answer {told}", "model": f"model-{told}"},
        "tool_call": {"function_name": f"tool-{told}", "arguments": {"q": told}, "call_id": f"call-{told}"},
        "error": {"error": f"failed {told}", "stack": f"at {told}", "component": f"part-{told}"},
    }
    found = [
        {"session_id": session, "user_id": user, "interaction_type": kind, "content": content}
        for session in (f"session-{user}", f"other-{told}")
        for kind, content in contents.items()
    ]
    return [{**each, "metadata": {"id": f"{told}-{number}"}} for number, each in enumerate(found)]


@dataclass(frozen=True)
class World:
    """The collector, and how to come in."""

    collector: CollectorProcess
    keys: dict[str, str]

    def client(self, token: str = "") -> httpx.Client:
        """Return a client that shows a key or a token."""
        client = plain_client()
        client.base_url = httpx.URL(f"http://{self.collector.endpoints['http']}")
        if token:
            client.headers["authorization"] = f"Bearer {token}"
        return client

    def get(self, path: str, token: str = "", **parameters: Any) -> httpx.Response:
        """Ask once."""
        with self.client(token) as client:
            return client.get(path, params=parameters)

    def listen(self, token: str, since: str, events: int, **parameters: Any) -> str:
        """Listen to what is new that place, until so many interactions came; return all that was heard."""
        heard = ""
        headers = {"last-event-id": since}
        with (
            self.client(token) as client,
            client.stream("GET", "/api/live", params=parameters, headers=headers) as reply,
        ):
            assert reply.status_code == 200, reply.read()
            for piece in reply.iter_text():
                heard += piece
                if heard.count("event: interaction") >= events:
                    break
        return heard

    def found(self, path: str, token: str = "", **parameters: Any) -> Any:
        """Ask once; it is answered."""
        reply = self.get(path, token, **parameters)
        assert reply.status_code == 200, reply.text
        return reply.json()


def token(user: str, tenant: str | None = None, seconds: float = 600, key: str = SECRET, **more: Any) -> str:
    """Sign a user's token."""
    claims = {"sub": user, "exp": time.time() + seconds} | ({"tenant": tenant} if tenant else {}) | more
    return jwt.encode(claims, key, algorithm="HS256")
