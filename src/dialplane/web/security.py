"""What every page says to the browser about what it may load, and who may ask for it."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import HTTPException, Request

# No script, style, font or picture from elsewhere, none within the page; `data:` is for Tabler's own icons.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "media-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
HARMLESS = ("GET", "HEAD")


def check_origin(request: Request) -> None:
    """Another site's page cannot do anything in the name of whoever is signed in here.

    Browsers say where a request comes from: in Sec-Fetch-Site, older ones in Origin. What says neither is no browser,
    and carries nobody's cookie. Raises HTTPException, 403.
    """
    if request.method in HARMLESS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        ours = site in ("same-origin", "none")
    else:
        origin = request.headers.get("Origin")
        ours = origin is None or urlsplit(origin).netloc in _hosts(request)
    if not ours:
        raise HTTPException(403, "this request came from a page of another site; open the page here and try again")


def is_secure(request: Request) -> bool:
    """Whether people reach this server by https, also where a proxy speaks it for us."""
    public_url: str | None = request.app.state.server.settings.public_url
    return request.url.scheme == "https" or (public_url is not None and public_url.startswith("https:"))


def _hosts(request: Request) -> set[str]:
    public_url: str | None = request.app.state.server.settings.public_url
    return {request.headers.get("Host", ""), urlsplit(public_url).netloc if public_url else ""} - {""}
