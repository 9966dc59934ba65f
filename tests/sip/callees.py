"""sipp plays the called side: one process a callee, on a free port of 127.0.0.1, and what it has been sent."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).with_name("scenarios")
EXAMPLES = Path(__file__).parents[2] / "examples" / "callees"
HOST = "127.0.0.1"
missing = [program for program in ("sipp", "flite") if shutil.which(program) is None]
missing += [module for module in ("baresip", "pocketsphinx") if find_spec(module) is None]
needs_programs = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@dataclass
class Callee:
    """A running sipp, and the log of its messages; `log` is what stood there in the end."""

    port: int
    process: subprocess.Popen[bytes]
    messages: Path
    errors: Path
    host: str = HOST
    log: str = ""

    @property
    def trunk(self) -> dict[str, Any]:
        """Settings of a trunk that leads here."""
        return {"provider": "sip", "host": HOST, "port": self.port, "local_address": HOST, "slow_start": False}

    def received(self, *methods: str) -> list[str]:
        """Requests of these methods, as they came, retransmissions included."""
        text = self.messages.read_text(encoding="utf-8", errors="replace") if self.messages.exists() else self.log
        parts = re.split(r"^-{20,} .*$", text, flags=re.MULTILINE)
        bodies = [part.partition("message received [")[2].partition("\n\n")[2] for part in parts]
        return [body for body in bodies if body.partition(" ")[0] in methods]

    def invites(self) -> Counter[str]:
        """How many different INVITEs each attempt has sent; one that is sent again for want of an answer is one."""
        different = {
            (header(invite, "X-Dialplane-Attempt"), header(invite, "Call-ID")) for invite in self.received("INVITE")
        }
        return Counter(attempt for attempt, _ in different)

    def wait_for(self, method: str, count: int = 1, *, seconds: float = 10) -> list[str]:
        give_up_at = time.monotonic() + seconds
        while len(found := self.received(method)) < count:
            assert time.monotonic() < give_up_at, f"no {method} came: {self.said()}"
            time.sleep(0.05)
        return found

    def said(self) -> str:
        return self.errors.read_text(errors="replace") if self.errors.exists() else ""

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def header(message: str, name: str) -> str:
    found = re.search(rf"^{re.escape(name)}:[ \t]*(.*?)\r?$", message, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""


@contextmanager
def callee(
    scenario: str | Path,
    *,
    pause_ms: int = 0,
    says: str = "",
    transport: str = "u1",
    port: int | None = None,
    host: str = HOST,
    through: Sequence[str] = (),
    echoes: bool = False,
    **keys: str,
) -> Iterator[Callee]:
    """says: words that `speak` repeats. through: what the command begins with, to run it on a machine of its own.
    echoes: all sound goes back. keys: what [name] in the scenario stands for.
    """
    folder = Path(tempfile.mkdtemp(prefix="callee-"))
    for name, words in {"yes": "yes please", "stop": "please stop calling me", "speech": says}.items():
        if words:
            (folder / f"{name}.ulaw").write_bytes(speech(words))
    sip, media = port or free_port(), free_port()
    path = folder / "scenario.xml"
    path.write_text(filled(scenario, {"contact": "", "headers": "", **keys}), encoding="utf-8")
    process = subprocess.Popen(
        [
            *through, "sipp", "-sf", str(path), "-i", host, "-p", str(sip), "-mi", host, "-mp", str(media),
            "-t", transport, "-d", str(pause_ms), "-aa", "-nostdin", "-trace_msg", "-message_file", "messages",
            "-trace_err", "-error_file", "errors", *(["-rtp_echo"] if echoes else []),
        ],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    made = Callee(sip, process, folder / "messages", folder / "errors", host)
    try:
        wait_until_bound(made, transport)
        yield made
    finally:
        made.stop()
        made.log = made.messages.read_text(encoding="utf-8", errors="replace") if made.messages.exists() else ""
        shutil.rmtree(folder, ignore_errors=True)


def filled(scenario: str | Path, keys: Mapping[str, str]) -> str:
    """By us: sipp itself wants to see a status when it reads the file."""
    text = (SCENARIOS / f"{scenario}.xml" if isinstance(scenario, str) else scenario).read_text(encoding="utf-8")
    for name, value in keys.items():
        text = text.replace(f"[{name}]", value)
    return text


def free_port() -> int:
    """Even, as RTP's are: sipp takes the next one for RTCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
            if port % 2 == 0:
                return port


def wait_until_bound(made: Callee, transport: str) -> None:
    """By the kernel's list: a packet to try it would begin a call."""
    table = Path(f"/proc/{made.process.pid}/net/{'udp' if transport.startswith('u') else 'tcp'}")
    mark, listens = f":{made.port:04X} ", " 07 " if transport.startswith("u") else " 0A "
    give_up_at = time.monotonic() + 10
    while not any(mark in line and listens in line for line in table.read_text().splitlines()):
        assert made.process.poll() is None, f"sipp ended: {made.said()}"
        assert time.monotonic() < give_up_at, "sipp did not listen"
        time.sleep(0.02)


@cache
def speech(words: str) -> bytes:
    """What a callee repeats, as PCMU."""
    with tempfile.NamedTemporaryFile(suffix=".ulaw") as file:
        subprocess.run([sys.executable, str(EXAMPLES / "speech.py"), words, file.name], check=True, capture_output=True)
        return Path(file.name).read_bytes()
