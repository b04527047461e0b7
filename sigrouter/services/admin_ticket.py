"""A secret in a file that only this node's user can read: whoever can read it may operate the node."""

import hmac
import os
import secrets
from pathlib import Path

from attrs import define, field


def ticket_file(state_dir: Path, admin_port: int) -> Path:
    """Where the node with that admin port leaves its ticket; nodes of one machine may share a state directory."""
    return state_dir / f"admin-{admin_port}.ticket"


@define
class AdminTicket:
    """Made anew at each start of the node, gone with it; the operator's commands on the same machine read it."""

    _secret: str = field(repr=False)

    @classmethod
    def write(cls, state_dir: Path, admin_port: int) -> "AdminTicket":
        """Make a ticket and leave it in its file with mode 0600, replacing the last one in one step."""
        secret = secrets.token_urlsafe(32)
        state_dir.mkdir(parents=True, exist_ok=True)
        file_name = ticket_file(state_dir, admin_port)
        temporary = file_name.with_suffix(f".{os.getpid()}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secret)
        temporary.replace(file_name)
        return cls(secret)

    def matches(self, ticket: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(self._secret.encode(), ticket.encode("utf-8", "surrogatepass"))
