"""What tests of other folders share: servers over real HTTP, and speech. And networks, with a carrier on each."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("api", "sip")]

from bench import Bench
from campaigns import another
from cloud import PUBLIC_URL, AtTheServer, Cloud
from hosting import opened
from network import Network
from site_of import Site
from stages import NETWORKS, STAGES, SoundStage

from dialplane.config import Settings
from dialplane.store.postgres import Database


@pytest.fixture(scope="module", autouse=True)
def nobodys_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody here speaks TLS: to read all certificates, for each client, takes longer than most tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest_asyncio.fixture(params=NETWORKS)
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    """Of each carrier in turn; modules that are about one of them have a fixture of this name for it alone."""
    async with NETWORKS[request.param]() as made:
        yield made


@pytest_asyncio.fixture
async def stage(network: Network, tmp_path: Path) -> AsyncIterator[SoundStage]:
    made = STAGES[type(network)](network, tmp_path)
    yield made
    await made.close()


@pytest.fixture
def settings(network: Network, tmp_path: Path) -> Settings:
    """An address that others reach has only who is called back."""
    public_url = PUBLIC_URL if isinstance(network, Cloud) else None
    return Settings(home=tmp_path, secret_key="a secret for the tests", public_url=public_url)


@pytest_asyncio.fixture
async def site(database: Database, settings: Settings, network: Network) -> AsyncIterator[Site]:
    """The server that the network reaches; no worker is in it."""
    async with opened(database, settings) as site:
        if isinstance(network, Cloud):
            network.door = AtTheServer(site.url)
        yield site


@pytest_asyncio.fixture
async def live(database: Database, settings: Settings, site: Site, tmp_path: Path) -> AsyncIterator[Bench]:
    async with another(database, settings, tmp_path) as bench:
        yield bench
