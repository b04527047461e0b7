"""Reads Redis's replies out of bytes as they arrive; all that came in one read are answered in one turn.

txredisapi's own reader takes one reactor turn and one copy of the buffer for every string in a reply.
"""

from typing import Any, Final

from attrs import frozen

END: Final = b"\r\n"
DEPTH: Final = 32


@frozen
class ErrorReply:
    """An error that Redis answered; ``text`` starts with its code."""

    text: str


class BrokenReply(Exception):
    """What came is not the Redis protocol; the connection is of no use any more."""


class _Incomplete(Exception):
    """The rest of the reply has not arrived yet."""


class Reader:
    """``feed`` bytes, get replies: ``bytes``, ``int``, ``None``, ``ErrorReply``, or a list of them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._wanted = 0

    def feed(self, data: bytes) -> list[Any]:
        """The replies that are complete now.

        Raises:
            BrokenReply: never feed it again.
        """
        self._pieces.append(data)
        self._size += len(data)
        replies: list[Any] = []
        if self._size < self._wanted:
            return replies
        buffer = b"".join(self._pieces) if len(self._pieces) > 1 else data
        position = 0
        try:
            while position < self._size:
                self._wanted = 0
                reply, position = self._parse(buffer, position, 0)
                replies.append(reply)
        except _Incomplete:
            pass
        except ValueError:
            raise BrokenReply from None
        rest = buffer[position:]
        self._pieces = [rest] if rest else []
        self._size = len(rest)
        self._wanted = max(0, self._wanted - position)
        return replies

    def _parse(self, buffer: bytes, position: int, depth: int) -> tuple[Any, int]:
        line_end = buffer.find(END, position)
        if line_end < 0:
            raise _Incomplete
        start = line_end + 2
        match buffer[position]:
            case 36:  # $ a string of known length
                length = int(buffer[position + 1 : line_end])
                if length < 0:
                    return None, start
                end = start + length
                if len(buffer) < end + 2:
                    # A large reply comes in many pieces: do not parse it again before it can be complete.
                    self._wanted = end + 2
                    raise _Incomplete
                return buffer[start:end], end + 2
            case 42:  # * a list
                count = int(buffer[position + 1 : line_end])
                if count < 0:
                    return None, start
                if depth > DEPTH:
                    raise BrokenReply
                items = []
                for _ in range(count):
                    item, start = self._parse(buffer, start, depth + 1)
                    items.append(item)
                return items, start
            case 58:  # : a whole number
                return int(buffer[position + 1 : line_end]), start
            case 43:  # + a word
                return buffer[position + 1 : line_end], start
            case 45:  # - an error
                return ErrorReply(buffer[position + 1 : line_end].decode("utf-8", "replace")), start
            case _:
                raise BrokenReply
