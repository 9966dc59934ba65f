"""Settings -> store, carriers, agents, engine: the only package that knows every class."""

from dialplane.wiring.app import App
from dialplane.wiring.opening import assemble, open_app, open_server
from dialplane.wiring.server import Server, folders

__all__ = ["App", "Server", "assemble", "folders", "open_app", "open_server"]
