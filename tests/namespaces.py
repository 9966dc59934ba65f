"""Which tests want networks of their own."""

import pytest

from benchmarks.network import possible

NEEDS_NAMESPACES = pytest.mark.skipif(not possible(), reason="network namespaces need root, iproute2 and nftables")
