"""A SIP carrier in real time, with its listener: calls in a line each, and waiting for what becomes of them."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from callees import HOST, Callee
from calls import Calls
from contract import Heard

from dialplane.carriers.sip.carrier import SipCarrier
from dialplane.carriers.sip.trunk import Trunk
from dialplane.clocks import RealClock
from dialplane.files import LocalFiles

PERSON = "+14155550101"


class Stage(Calls):
    """changes: of the trunk, beyond what its settings allow; such as a ring timeout that suits tests."""

    person = PERSON

    def __init__(self, settings: Mapping[str, Any], folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.clock = RealClock()
        self.carrier = SipCarrier(
            replace(Trunk.from_settings(settings), **changes), settings, self.clock, LocalFiles(folder)
        )
        self.heard = Heard()
        self.carrier.listen(self.heard)


def phones_of(pid: int | None = None) -> list[int]:
    """Ids of the SIP processes that a process has started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == (pid or os.getpid()) and b"dialplane.carriers.sip.phone" in command:
                found.append(int(folder.name))
    return sorted(found)


def is_running(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def press(called: Callee, key: str) -> None:
    """The one who was called last presses a key: RFC 4733, as callee's telephones send it."""
    invite = called.received("INVITE")[-1]
    port = int(re.findall(r"m=audio (\d+)", invite)[0])
    event = "0123456789*#".index(key)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        for ordinal in range(8):
            marker, last = (0x80 if ordinal == 0 else 0), (0x80 if ordinal >= 5 else 0)
            header = struct.pack(">BBHII", 0x80, marker | 101, 1000 + ordinal, 160_000, 0xD1A1)
            rtp.sendto(header + struct.pack(">BBH", event, last | 10, 160 * min(ordinal + 1, 6)), (HOST, port))
            time.sleep(0.01)
