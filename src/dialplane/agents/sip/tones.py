"""Keys as telephones have sounded since 1963 (ITU-T Q.23): the one way in which every carrier carries them."""

from __future__ import annotations

import math
from array import array
from functools import cache
from itertools import product
from typing import Final

from dialplane.voice.wav import RATE

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477, 1633)
PAIRS: Final = dict(zip("123A456B789C*0#D", product(LOW, HIGH), strict=True))
SECONDS, PAUSE_SECONDS = 0.1, 0.06
LOUDNESS = 8000  # of each tone, of 32,767


@cache
def tone(key: str) -> bytes:
    """Of a key that was pressed, with the pause after it; b"" for no key."""
    if key not in PAIRS:
        return b""
    low, high = (2 * math.pi * frequency / RATE for frequency in PAIRS[key])
    sound = (round(LOUDNESS * (math.sin(low * at) + math.sin(high * at))) for at in range(int(SECONDS * RATE)))
    return array("h", sound).tobytes() + bytes(2 * int(PAUSE_SECONDS * RATE))
