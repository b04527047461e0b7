"""How long to wait before the next try: exponential backoff with full jitter.

Full jitter (a uniform choice between zero and the ceiling) spreads many peers that failed at the same moment better
than a fixed delay with a little noise: they come back evenly over the whole interval instead of in waves. See
"Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

LARGEST_EXPONENT = 62


def next_delay(
    attempt: int, random_unit: float, base_s: float, cap_s: float, retry_after_s: float | None = None
) -> float:
    """Seconds to wait before try number ``attempt + 1``.

    Args:
        attempt: how many tries have failed since the last success, less one: 0 after the first failure.
        random_unit: the chance, a number in [0, 1), drawn by the caller.
        base_s: the ceiling of the first delay, in seconds.
        cap_s: the ceiling never grows beyond this, in seconds.
        retry_after_s: what the refusing server asked for. It is a floor, and the jitter comes on top: the server told
            everybody the same number, so without jitter everybody would come back at once.

    Raises:
        ValueError: an argument is negative, or ``random_unit`` is outside [0, 1].
    """
    if attempt < 0 or base_s < 0 or cap_s < 0 or not 0 <= random_unit <= 1:
        raise ValueError((attempt, random_unit, base_s, cap_s))
    ceiling = min(cap_s, base_s * 2.0 ** min(attempt, LARGEST_EXPONENT))
    return max(0.0, retry_after_s or 0.0) + random_unit * ceiling
