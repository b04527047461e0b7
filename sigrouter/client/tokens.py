"""The recovery tokens of a session, the one to try first last."""

from sigrouter.client.events import SavedSession

KEPT_AT_MOST = 8
ONE_TOKENS_FAULT = frozenset({"superseded", "expired"})


class Tokens:
    """Usually one. A connection whose ``ready`` was not answered leaves a second one behind.

    Its generation may or may not have been confirmed, and the WELCOME of yet another try may have been lost, so the
    newer token can be fenced while the older one is good: when one is refused as superseded, the one before it is
    tried (that one may have been refreshed since, so an expired one is no end either). Only when none is left is the
    session lost.
    """

    def __init__(self, saved: SavedSession | None) -> None:
        self._tokens: list[str] = [saved.recovery_token] if saved else []

    @property
    def current(self) -> str:
        """The token for the next connection; empty: a fresh session."""
        return self._tokens[-1] if self._tokens else ""

    def welcomed(self, token: str) -> None:
        """A connection that is not confirmed yet holds this token."""
        if token and token not in self._tokens:
            # The first one is the confirmed connection's: whatever becomes of the others, it stays.
            self._tokens = [*self._tokens[:1], *self._tokens[1:][2 - KEPT_AT_MOST :], token]

    def refreshed(self, token: str) -> None:
        """A token of the confirmed connection, while a younger one may have been confirmed without our knowing it."""
        if token:
            self._tokens = [token, *self._tokens[1:]]

    def confirmed(self, token: str) -> None:
        """The confirmed connection's token: no other is needed any more."""
        if token:
            self._tokens = [token]

    def refused(self, reason: str) -> bool:
        """The current one was refused. True: there is an older one to try."""
        if self._tokens:
            self._tokens.pop()
        if reason not in ONE_TOKENS_FAULT:
            self._tokens.clear()
        return bool(self._tokens)

    def clear(self) -> None:
        """The session is gone."""
        self._tokens.clear()
