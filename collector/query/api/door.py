"""Whose rows a request may see: by an API key, by a user's token, or, where none is asked for, everybody's."""

from __future__ import annotations

from starlette.requests import Request

from collector.access.doorman import Doorman, presented
from collector.access.keys import ALL_TENANTS, Scope
from collector.access.tokens import Tokens, is_token
from collector.errors import Forbidden, Unauthenticated
from collector.query.viewer import EVERYBODY, Viewer
from collector.request import Sender


class Door:
    """Lets in who may read, and says what they see."""

    def __init__(self, doorman: Doorman, tokens: Tokens | None) -> None:
        """Ask `doorman` about keys, and `tokens` about those of users."""
        self._doorman, self._tokens = doorman, tokens

    def viewer(self, request: Request, tenant: str = "") -> Viewer:
        """Return who reads; `tenant` narrows what a key for all tenants sees.

        Raises:
            Unauthenticated: there is no key or token, or none that is good.
            Forbidden: it does not open this, or another tenant is asked for.
        """
        seen = self._seen(request)
        if tenant and seen.tenant not in {"", tenant}:
            raise Forbidden(f"this is for the tenant {seen.tenant}, not for {tenant}")
        return Viewer(seen.tenant or tenant, seen.user)

    def _seen(self, request: Request) -> Viewer:
        token = presented(request.headers)
        if is_token(token) and self._tokens:
            user = self._tokens.user(token)
            return Viewer(user.tenant, user.subject)
        if not token and self._tokens and not self._doorman.asks():
            raise Unauthenticated("a token is asked for here", hint="send it as `Authorization: Bearer TOKEN`")
        return _of(self._doorman.admit(token, Scope.READ, _peer(request)))

    def team(self, request: Request, tenant: str = "") -> Viewer:
        """Return who reads, of those who may know more than one user.

        Raises:
            Unauthenticated: as `viewer`.
            Forbidden: it is a user, or as `viewer`.
        """
        viewer = self.viewer(request, tenant)
        if viewer.user:
            raise Forbidden("this is not for users", hint="ask with a key of the scope read")
        return viewer

    def admin(self, request: Request) -> tuple[Viewer, Sender]:
        """Return who changes something, whose rows, and the key.

        Raises:
            Unauthenticated: there is no key, or none that is good.
            Forbidden: it does not open this.
        """
        token = presented(request.headers)
        if is_token(token) and self._tokens:
            self._tokens.user(token)
            raise Forbidden("this is not for users", hint="a key of the scope admin may")
        sender = self._doorman.admit(token, Scope.ADMIN, _peer(request))
        return _of(sender), sender


def _of(sender: Sender) -> Viewer:
    return EVERYBODY if not sender.key or sender.tenant == ALL_TENANTS else Viewer(sender.tenant)


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""
