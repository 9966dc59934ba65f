"""An object store on 127.0.0.1 that speaks as much S3 as a client of files needs, and checks signed links."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.sax.saxutils import escape, unescape

ACCESS_KEY, SECRET_KEY, REGION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "eu-central-1"


def query_signature(method: str, url: str) -> str:
    """What the signature of a signed link must be.

    Source: AWS Signature Version 4, "Authenticating Requests: Using Query Parameters".
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    query.pop("X-Amz-Signature", None)
    scope = query["X-Amz-Credential"].split("/", 1)[1]
    named = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in sorted(query.items()))
    canonical = "\n".join([method, parts.path, named, f"host:{parts.netloc}\n", "host", "UNSIGNED-PAYLOAD"])
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", query["X-Amz-Date"], scope, hashed])
    key = b"AWS4" + SECRET_KEY.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


@dataclass
class Bucket:
    """objects: by path, the bucket's name included. down: every request is answered with 503."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    written_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    parts: dict[int, bytes] = field(default_factory=dict)
    down: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }


@contextmanager
def serving() -> Iterator[Bucket]:
    bucket = Bucket()
    handler = type("Handler", (_Handler,), {"bucket": bucket})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    bucket.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    bucket: Bucket
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed("PUT"):
            return
        if source := self.headers.get("x-amz-copy-source"):
            self.bucket.objects[self._path] = self.bucket.objects[unquote(source).strip("/")]
            self._answer(200, b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
        elif part := self._query.get("partNumber"):
            self.bucket.parts[int(part)] = body
            self._answer(200, etag=True)
        else:
            self.bucket.objects[self._path] = body
            self._answer(200, etag=True)

    def do_POST(self) -> None:
        """A body in parts: begin, or put together; or deletes of many."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self._allowed("POST"):
            return
        if "delete" in self._query:
            deleted = [unescape(key) for key in re.findall("<Key>(.*?)</Key>", body.decode())]
            for key in deleted:
                self.bucket.objects.pop(f"{self._path}/{key}", None)
            named = "".join(f"<Deleted><Key>{escape(key)}</Key></Deleted>" for key in deleted)
            self._answer(200, f"<DeleteResult>{named}</DeleteResult>".encode())
        elif "uploads" in self._query:
            self.bucket.parts.clear()
            self._answer(
                200,
                b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>",
            )
        else:
            self.bucket.objects[self._path] = b"".join(body for _, body in sorted(self.bucket.parts.items()))
            self._answer(200, b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def do_GET(self) -> None:
        if not self._allowed("GET"):
            return
        if "list-type" in self._query:
            self._answer(200, self._listed())
        elif self._path in self.bucket.objects:
            self._answer(200, self.bucket.objects[self._path], etag=True)
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_HEAD(self) -> None:
        if not self._allowed("HEAD"):
            return
        found = self.bucket.objects.get(self._path)
        self._answer(404 if found is None else 200, found or b"", etag=True)

    @property
    def _path(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    @property
    def _query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def _allowed(self, method: str) -> bool:
        if self.bucket.down:
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
            return False
        if "Authorization" in self.headers:
            return True
        query = self._query
        until = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        until += timedelta(seconds=int(query["X-Amz-Expires"]))
        signed = query["X-Amz-Signature"] == query_signature(method, self.bucket.url + self.path)
        if not signed or datetime.now(UTC) > until:
            self._answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            return False
        return True

    def _listed(self) -> bytes:
        prefix = f"{self._path}/{self._query.get('prefix', '')}"
        found = "".join(
            f"<Contents><Key>{escape(path.split('/', 1)[1])}</Key><Size>{len(body)}</Size><ETag>e</ETag>"
            f"<LastModified>{self.bucket.written_at:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
            for path, body in sorted(self.bucket.objects.items())
            if path.startswith(prefix)
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes = b"", *, etag: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", format_datetime(self.bucket.written_at, usegmt=True))
        if etag:
            self.send_header("ETag", '"e"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""
