"""What users of DialNexa's client write, but for its address: it has no setting for that."""

from __future__ import annotations

import io
from typing import Any

import act_loop
from dialnexa import NexaClient
from dialnexa.http import HttpError


def act(name: str, url: str, token: str, values: dict[str, Any]) -> Any:
    """name: of a method, such as calls.create. An answer that is a refusal comes as its status and its body."""
    client = NexaClient(api_key=token)
    client.calls._http._base = f"{url}/dialnexa"  # one object, which all its parts share
    if "file" in values:
        values = {**values, "file": io.BytesIO(values["file"].encode())}
    group, method = name.split(".")
    positional = values.pop("positional", [])
    try:
        return getattr(getattr(client, group), method)(*positional, **values)
    except HttpError as refusal:
        return {"status": refusal.status_code, "body": refusal.data}


if __name__ == "__main__":
    act_loop.run(act)
