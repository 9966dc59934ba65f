"""What tests of other folders share: servers over real HTTP, and speech."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("api", "sip")]
