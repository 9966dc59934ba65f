"""Whom we believe over TLS: the authorities of this machine, or those that stand in the settings."""

from __future__ import annotations

import ssl
from typing import IO

from dialplane.carriers.sip.trunk import Trunk, is_address


def context(trunk: Trunk) -> ssl.SSLContext:
    """For a connection of our own. Where an address is called, the stack looks at the authority alone, and so do we."""
    made = ssl.create_default_context(cadata=trunk.ca_certificates or None)
    made.check_hostname = not is_address(trunk.hop.host)
    return made


def directives(trunk: Trunk, authorities: IO[bytes]) -> str:
    """Lines of the stack's configuration, which of itself believes everybody.

    authorities: a file for those of the settings; it has to stay where it is for as long as the stack runs.
    """
    if trunk.ca_certificates:
        authorities.write(trunk.ca_certificates.encode())
        authorities.flush()
        places = {"sip_cafile": authorities.name}
    else:
        ours = ssl.get_default_verify_paths()
        places = {name: path for name, path in (("sip_cafile", ours.cafile), ("sip_capath", ours.capath)) if path}
    return "".join(f"{name} {value}\n" for name, value in {"sip_verify_server": "yes", **places}.items())
