"""disposition -> what a trunk says about it."""

from __future__ import annotations

from dataclasses import dataclass

from dialplane.core.disposition import Disposition


@dataclass(frozen=True, slots=True)
class Reply:
    """q850: the cause value of ITU-T Q.850, which SIP carries in its Reason header (RFC 3326)."""

    sip_status: int
    q850: int
    cause: str


# Sources: RFC 3398 (Q.850 to SIP), RFC 3261, RFC 8197 (607), RFC 8688 (608).
REPLIES: dict[Disposition, Reply] = {
    Disposition.ANSWERED: Reply(200, 16, "normal call clearing"),
    Disposition.VOICEMAIL: Reply(200, 16, "normal call clearing"),
    Disposition.BUSY: Reply(486, 17, "user busy"),
    Disposition.NO_ANSWER: Reply(487, 19, "no answer from user"),
    Disposition.DECLINED: Reply(603, 21, "call rejected"),
    Disposition.UNREACHABLE: Reply(480, 20, "subscriber absent"),
    Disposition.INVALID_NUMBER: Reply(404, 1, "unallocated number"),
    Disposition.BLOCKED: Reply(608, 21, "rejected by an analytics engine"),
    Disposition.UNWANTED: Reply(607, 21, "unwanted"),
    Disposition.CARRIER_FAILED: Reply(503, 41, "temporary failure"),
    Disposition.RATE_LIMITED: Reply(429, 42, "calls per second limit exceeded"),
    Disposition.CAPACITY: Reply(403, 34, "channel limit exceeded"),
    Disposition.CANCELED: Reply(487, 16, "hung up by us"),
}
NO_CIRCUIT = Reply(503, 34, "no circuit available")  # the other half of the failed calls
