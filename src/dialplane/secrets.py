"""The installation's secret: signs what is handed out, encrypts what is kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from dialplane.errors import EnvironmentFault


class Secrets:
    """Two keys derived from one secret, so that neither use weakens the other."""

    def __init__(self, secret: str) -> None:
        self._signing = hashlib.sha256(b"sign" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(hashlib.sha256(b"encrypt" + secret.encode()).digest()))

    @classmethod
    def load(cls, secret: str | None, path: Path) -> Secrets:
        """From the given secret, else from the file, which is made on first use. Raises EnvironmentFault."""
        return cls(secret or _kept(path))

    def encrypt(self, text: str) -> str:
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Raises EnvironmentFault where it was encrypted with another secret."""
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise EnvironmentFault(
                "a stored password cannot be decrypted: DIALPLANE_SECRET_KEY, or secret.key in the data folder, "
                "is not the one that it was stored with"
            ) from None

    def sign(self, *parts: str) -> str:
        """A signature over these parts, in their order: 43 characters fit for a URL."""
        message = b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)
        digest = hmac.new(self._signing, message, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def signed(self, signature: str, *parts: str) -> bool:
        """Whether `sign` made this signature over these parts."""
        return hmac.compare_digest(signature.encode(), self.sign(*parts).encode())


def _kept(path: Path) -> str:
    """Written whole under another name first: of two processes that make it at once, both read the one that stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(32))
            with suppress(FileExistsError):
                os.link(partial, path)
            partial.unlink()
        return path.read_text(encoding="utf-8").strip()
    except OSError as fault:
        raise EnvironmentFault(f"{path} cannot be read or made: {fault.strerror}") from fault
