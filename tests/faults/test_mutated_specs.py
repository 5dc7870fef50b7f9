"""Whatever is submitted is accepted or refused with a reason; GADUS_TEST_SPECS=100000 asks for more of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import rooms  # noqa: F401 - finds the parts of other rooms
from mutated_specs import MutatedSpecs
from running import serving

SPECS = int(os.environ.get("GADUS_TEST_SPECS", "2000"))
SEED = 5


@pytest.mark.timeout(120 + SPECS // 50)
async def test_jobs_changed_at_random_are_accepted_or_refused_with_a_reason(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        found = MutatedSpecs(server, SEED)
        await found.run(SPECS)
        assert server("GET", "/api/v1/agent/alive").document == {"Status": "OK"}
    assert found.wrong == []
    assert set(found.statuses) >= {200, 400}
    # A server that kept something of each would grow by more than that.
    assert found.rss_bytes[-1] - found.rss_bytes[2] < (8 << 20) + 2000 * found.statuses[200]
