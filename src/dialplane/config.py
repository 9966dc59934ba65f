"""Settings: the only reader of the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

from dialplane.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """home: the data folder. database_url: a PostgreSQL of one's own; None for the embedded one in the data folder."""

    home: Path
    database_url: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Settings:
        """From DIALPLANE_HOME and DIALPLANE_DATABASE_URL. Raises Invalid."""
        home = Path(env.get("DIALPLANE_HOME") or platformdirs.user_data_dir("dialplane", appauthor=False)).expanduser()
        url = env.get("DIALPLANE_DATABASE_URL") or None
        if url is not None and urlsplit(url).scheme not in ("postgresql", "postgres"):
            raise Invalid("DIALPLANE_DATABASE_URL must look like postgresql://user:password@host:5432/database")
        return cls(home=home.absolute(), database_url=url)

    @property
    def files_folder(self) -> Path:
        return self.home / "files"

    @property
    def carrier_logs(self) -> Path:
        return self.home / "carrier-logs"
