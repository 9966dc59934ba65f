"""People who look at pages, with and without a browser."""

from __future__ import annotations

from browsing import PASSWORD
from site_of import Site

from dialplane.engine.keys import Role

OWNER = "ana@example.org"


async def person(site: Site, email: str = OWNER, role: Role = Role.OWNER, *, of: str = "default") -> None:
    """Somebody who can sign in."""
    token = await site.server.people.invite(site.organizations[of], role)
    await site.server.people.join(token, email, PASSWORD, email.partition("@")[0].title())


async def visitor(site: Site, email: str = OWNER, role: Role = Role.OWNER, *, of: str = "default") -> dict[str, str]:
    """The headers of somebody new who has signed in, for requests without a browser."""
    await person(site, email, role, of=of)
    answer = await site.http.post("/sign-in", data={"email": email, "password": PASSWORD})
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
