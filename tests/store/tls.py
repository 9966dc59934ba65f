"""Certificates of a test, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from debian_postgres import give

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs certificates. certificate: what others trust it by."""

    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        made = cls(folder / f"{name}.crt", folder / f"{name}.key")
        subject = ("-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE")
        openssl("req", "-x509", "-new", *NEW_KEY, "-days", "2", *subject, "-keyout", made.key, "-out", made.certificate)
        return made

    def sign(self, folder: Path, host: str) -> tuple[Path, Path]:
        """Certificate and key of a host, for PostgreSQL's user to read."""
        certificate, key, request, names = (folder / f"{host}.{end}" for end in ("crt", "key", "csr", "names"))
        names.write_text(f"subjectAltName=DNS:{host}\n")
        openssl("req", "-new", *NEW_KEY, "-subj", f"/CN={host}", "-keyout", key, "-out", request)
        ours = ("-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial")
        openssl("x509", "-req", "-in", request, *ours, "-days", "2", "-extfile", names, "-out", certificate)
        key.chmod(0o600)
        give(key)
        return certificate, key


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
