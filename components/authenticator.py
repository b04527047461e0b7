"""Answers Crossbar's question who may join, for the public transport and for the operators' one."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails

from components.base import PodComponent
from sigrouter.protocol import errors, uris
from sigrouter.services.authentication import token_from_cookie


class Authenticator(PodComponent):
    """A ticket or the cookie in, a role and WELCOME's authextra out; every refusal is an ABORT with a JSON message."""

    def procedures(self) -> Mapping[str, Callable[..., Awaitable[Any]]]:
        """Open to Crossbar itself only."""
        return {
            uris.AUTHENTICATE: self._boundary(self._peer),
            uris.AUTHENTICATE_ADMIN: self._boundary(self._operator),
        }

    async def _peer(self, details: Mapping[str, Any]) -> dict[str, Any]:
        transport = details.get("transport") or {}
        if details.get("authmethod") == "ticket":
            jwt = details.get("ticket") or ""
        else:
            headers = transport.get("http_headers_received") or {}
            jwt = token_from_cookie(headers.get("cookie", ""), self.pod.settings.auth.cookie) or ""
        admission = await self.pod.admissions.admit(
            jwt, details.get("authextra"), details["session"], str(transport.get("peer", ""))
        )
        return {
            "realm": uris.REALM,
            "role": admission.role,
            "authid": admission.user_id,
            "extra": admission.extra,
        }

    async def _operator(self, details: Mapping[str, Any]) -> dict[str, Any]:
        if not self.pod.admin_ticket.matches(details.get("ticket") or ""):
            identity = self.pod.verifier.verify(details.get("ticket") or "")
            if identity.role != "admin":
                raise errors.Authentication
        return {"realm": uris.REALM, "role": "admin", "authid": "operator", "extra": {}}

    def _boundary(
        self, handler: Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
    ) -> Callable[..., Awaitable[Any]]:
        async def authenticate(
            realm: str,  # noqa: ARG001 - Crossbar's shape
            authid: str,  # noqa: ARG001 - Crossbar's shape; the user comes from the JWT
            session_details: Mapping[str, Any],
            details: CallDetails | None = None,  # noqa: ARG001 - Autobahn's shape
        ) -> dict[str, Any]:
            try:
                return await handler(session_details)
            except errors.SigrouterError as refusal:
                # An ABORT drops keyword arguments: the details travel as JSON in its message.
                self.pod.refused(refusal)
                self.log.info(
                    "connection refused: {error} ({reason}), nodeId={nodeId}",
                    error=refusal.uri,
                    reason=getattr(refusal, "reason", refusal.message),
                    nodeId=self.pod.node_id,
                )
                raise ApplicationError(refusal.uri, json.dumps(refusal.details())) from None
            except Exception as bug:  # noqa: BLE001 - anything else would reach the peer with its text
                raise self._internal(bug) from None

        return authenticate
