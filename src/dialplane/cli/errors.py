"""exception -> what the person at the terminal reads, and the exit code."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback

from dialplane.errors import CarrierError, Conflict, EnvironmentFault, Invalid, NotFound

DONE, DEFECT, BAD_INPUT, STOPPED, ENVIRONMENT = 0, 1, 2, 3, 4


class Stopped(Exception):
    """Stopped before the end, by a person or a signal; the text says how to go on."""


EXIT_CODES: dict[type[BaseException], int] = {
    Invalid: BAD_INPUT,
    NotFound: BAD_INPUT,
    Conflict: BAD_INPUT,
    Stopped: STOPPED,
    KeyboardInterrupt: STOPPED,
    asyncio.CancelledError: STOPPED,
    EnvironmentFault: ENVIRONMENT,
    CarrierError: ENVIRONMENT,
    OSError: ENVIRONMENT,  # TimeoutError and lost connections too
}


def exit_code(error: BaseException) -> int:
    """What the process ends with; DEFECT for what nobody expected."""
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return ENVIRONMENT if _of_database(error) else DEFECT


def tell(error: BaseException) -> int:
    """Say on stderr what happened; the exit code."""
    code = exit_code(error)
    print(f"dialplane: {_words(error, code)}", file=sys.stderr)
    if os.environ.get("DIALPLANE_DEBUG") == "1":
        traceback.print_exception(error)
    return code


def _words(error: BaseException, code: int) -> str:
    if code == DEFECT:
        return (
            f"{type(error).__name__}: {error}\nThis is a defect, please report it. "
            "DIALPLANE_DEBUG=1 shows where it happened."
        )
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return "stopped"
    if _of_database(error) or isinstance(error, TimeoutError | ConnectionError):
        return f"the database failed: {error or type(error).__name__}. `dialplane doctor` shows what is wrong"
    return str(error) or type(error).__name__


def _of_database(error: BaseException) -> bool:
    """Anything that the driver raises, looked up without importing it: it may not be needed by then."""
    driver = sys.modules.get("asyncpg")
    return driver is not None and isinstance(error, driver.PostgresError | driver.InterfaceError)
