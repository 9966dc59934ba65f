"""`dialplane` in processes of its own that have loaded it before: to load it is most of what a short command takes.

One process loads it once and makes a copy of itself for each command, which then gets its own arguments, folder,
environment and output, and runs `main` to the end of its interpreter.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


class Warm:
    """The process that is copied; it ends with the one that has started it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        # -P: as the installed command, which has no folder of ours on its path.
        command = [sys.executable, "-P", __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
        theirs.close()
        self._asking = threading.Lock()

    def run(
        self, arguments: Sequence[str], folder: Path, env: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run`. Raises TimeoutError, after it has killed the command."""
        answers, theirs = socket.socketpair()
        with answers, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with self._asking, theirs:
                socket.send_fds(self._ours, [b"1"], [theirs.fileno(), out.fileno(), err.fileno()])
            answers.sendall(json.dumps({"arguments": arguments, "folder": str(folder), "env": dict(env)}).encode())
            answers.shutdown(socket.SHUT_WR)
            with answers.makefile("r") as lines:
                pid = int(lines.readline())
                answers.settimeout(seconds)
                try:
                    code = int(lines.readline())
                except TimeoutError:
                    os.kill(pid, signal.SIGKILL)
                    raise
            return subprocess.CompletedProcess(arguments, code, _text(out), _text(err))


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode())


# --- in the process that is copied ----------------------------------------------------------------


def copies(control: socket.socket) -> dict[str, Any]:
    """Returns in each copy: what it is to run. The process itself ends here."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    while True:
        asked, files, _, _ = socket.recv_fds(control, 1, 3)
        if not asked:
            os._exit(0)
        if os.fork() == 0:
            control.close()
            return guarded(*files)
        for file in files:
            os.close(file)


def guarded(asked: int, out: int, err: int) -> dict[str, Any]:
    """The same in a copy of this copy, which waits for it and tells how it has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asking = socket.socket(fileno=asked)
    with asking.makefile("r") as file:
        request: dict[str, Any] = json.loads(file.read())
    if (pid := os.fork()) != 0:
        asking.sendall(f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        with suppress(BrokenPipeError):  # nobody has waited so long
            asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    asking.close()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    return request


if __name__ == "__main__":
    import asyncpg  # noqa: F401
    import pydantic  # noqa: F401
    import uvloop  # noqa: F401
    from typer import _adapters  # noqa: F401

    import dialplane.wiring  # noqa: F401
    from dialplane.cli.main import main

    gc.freeze()  # what has been loaded stays, and to look through it again costs each copy more than most of their work
    request = copies(socket.socket(fileno=int(sys.argv[1])))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    sys.argv[:] = ["dialplane", *request["arguments"]]
    sys.exit(main())
