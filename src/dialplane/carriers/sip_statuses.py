"""SIP statuses as carriers pass them on -> dispositions. The table is data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dialplane.core.disposition import Disposition

# RFC 3261 section 21, RFC 3398, RFC 8197 (607), RFC 8688 (608). What is not here is the carrier's failure.
BY_STATUS: Final[Mapping[int, Disposition]] = {
    404: Disposition.INVALID_NUMBER,
    408: Disposition.UNREACHABLE,
    410: Disposition.INVALID_NUMBER,
    480: Disposition.UNREACHABLE,
    484: Disposition.INVALID_NUMBER,
    485: Disposition.INVALID_NUMBER,
    486: Disposition.BUSY,
    600: Disposition.BUSY,
    603: Disposition.DECLINED,
    604: Disposition.INVALID_NUMBER,
    607: Disposition.UNWANTED,
    608: Disposition.BLOCKED,
}
