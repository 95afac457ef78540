"""How many photos an address may send: a bucket of tokens for each, in this process's memory.

A bucket holds `RATE` tokens and gets as many anew in a minute, evenly. A photo takes one; where there is none the
answer is 429, with the seconds until the next. The site is one process, so memory is enough, and what it knows is
forgotten when it stops. Addresses of IPv6 are counted by their first 64 bits, which one household has. At most `MOST`
addresses are remembered; the one that was not seen for longest makes room.
"""

import ipaddress
import math
import threading
import time
from collections import OrderedDict

MOST = 10_000


class Rates:
    """The buckets of all addresses.

    Args:
        clock: Seconds, always rising.
    """

    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str, rate: int, count: int = 1) -> int:
        """Take tokens for some photos; return 0, or the seconds to wait if there are not enough.

        Args:
            address: Whose they are.
            rate: Photos a minute; 0: any number.
            count: Photos; of more than `rate` as many tokens are taken as the bucket has at most.
        """
        if not rate:
            return 0
        key, now = household(address), self._clock()
        wanted = min(count, rate)
        with self._lock:
            tokens, then = self._buckets.pop(key, (float(rate), now))
            tokens = min(float(rate), tokens + (now - then) * rate / 60)
            short = wanted - tokens
            self._buckets[key] = (tokens if short > 0 else tokens - wanted, now)
            while len(self._buckets) > MOST:
                self._buckets.popitem(last=False)
        return math.ceil(short * 60 / rate) if short > 0 else 0

    def clear(self) -> None:
        """Forget all addresses."""
        with self._lock:
            self._buckets.clear()


def household(address: str) -> str:
    """Return what an address is counted by."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return str(found.ipv4_mapped)
        return str(ipaddress.IPv6Network((found, 64), strict=False))
    return str(found)


rates = Rates()
