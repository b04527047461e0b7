"""Takes back the limit of nesting that a package below Crossbar raises a hundredfold for the whole process.

``py_ecc``, which Crossbar loads for its Ethereum features, sets Python's recursion limit to 100,000 when imported. The
JSON decoder counts on that limit: with it, a text of nothing but brackets overflows the C stack and kills the
process, and anybody may send one. With Python's own limit the same text is a ``RecursionError``, a bad message.
"""

import sys
from typing import Final

LIMIT: Final = 1000
"""Python's own default."""


def restore_limit() -> None:
    """Set the limit back; call it after Crossbar was imported and before strangers can send anything."""
    sys.setrecursionlimit(LIMIT)
