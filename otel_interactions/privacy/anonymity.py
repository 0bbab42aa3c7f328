"""Ids, addresses and URLs of people who have not agreed to be known."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from otel_interactions.values import as_text

_PSEUDONYM: Final = re.compile(r"anon-[0-9a-f]{32}")

IDS: Final = frozenset(
    {
        "session.id",
        "session.previous_id",
        "user.id",
        "user.name",
        "user.email",
        "user.full_name",
        "user.hash",
        "enduser.id",
        "enduser.pseudo.id",
        "gen_ai.conversation.id",
        "llm.user",
        "gen_ai.request.user",
        "ai.telemetry.metadata.userId",
        "ai.telemetry.metadata.sessionId",
        "langfuse.user.id",
        "langfuse.session.id",
        "traceloop.association.properties.user_id",
        "traceloop.association.properties.session_id",
    }
)
"""Attributes that name a person or what they do: hashed."""

ADDRESSES: Final = frozenset(
    {
        "client.address",
        "client.socket.address",
        "source.address",
        "net.peer.ip",
        "net.sock.peer.addr",
        "network.peer.address",
        "http.client_ip",
    }
)
"""Attributes that hold the address of a client: cut short."""

URLS: Final = frozenset({"url.full", "url.query", "url.path", "http.url", "http.target", "interaction.audio.url"})
"""Attributes that hold a URL: without its query, its fragment, and the user in it."""


def pseudonym(key: bytes, text: str) -> str:
    """Return a name that tells nothing without the key, the same for the same text: HMAC-SHA-256, 128 bits of it.

    What is a pseudonym already stays one, so that it may be hashed where it is made and where it arrives.
    """
    if is_pseudonym(text):
        return text
    return f"anon-{hmac.new(key, text.encode(errors='replace'), hashlib.sha256).hexdigest()[:32]}"


def is_pseudonym(text: str) -> bool:
    """Tell whether a text is the name of somebody who was anonymous, here or in another service."""
    return _PSEUDONYM.fullmatch(text) is not None


def shortened(address: str) -> str:
    """Return an address of a network in place of one of a client: the first 24 bits of IPv4, the first 48 of IPv6.

    What is no address becomes "": a name of a host may name its owner.
    """
    plain = address.strip()
    if plain.startswith("["):
        plain = plain[1:].partition("]")[0]
    elif plain.count(":") == 1:
        plain = plain.partition(":")[0]
    try:
        found = ipaddress.ip_address(plain.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    bits = 24 if isinstance(found, ipaddress.IPv4Address) else 48
    return str(ipaddress.ip_network((found, bits), strict=False).network_address)


def bare(name: str, url: str) -> str:
    """Return a URL, or the path or query of one, without what may tell who asked for what."""
    if name == "url.query":
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def anonymous(key: bytes, name: str, value: Any) -> Any:
    """Return the value of an attribute that names somebody without doing so; any other as it is."""
    if name in IDS and isinstance(value, list | tuple):
        return [anonymous(key, name, each) for each in value]
    if name in IDS and value is not None and not isinstance(value, bool):
        return pseudonym(key, text) if (text := as_text(value)) else value
    if not isinstance(value, str):
        return value
    if name in ADDRESSES:
        return shortened(value)
    return bare(name, value) if name in URLS else value
