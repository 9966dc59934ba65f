"""What tests of other folders share: callees over real SIP, trunks that lead to them, speech."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("carriers", "cli", "sip")]
