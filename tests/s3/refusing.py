"""What the S3 source says of a refusal, for the tests of diagnosis."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import pytest

from gadus.config import settings_from
from gadus.core.errors import GadusError
from gadus.s3.patience import Patience
from gadus.storage._s3_params import S3Params
from gadus.storage.s3 import Source
from gadus.testing.seaweedfs import S3Server
from gadus.testing.sources import fetch_into, resolved


async def refused(server: S3Server, directory: Path | None = None, **params: Any) -> GadusError:
    """The error of resolving `params`, or of fetching them into `directory`; the secret key is nowhere in it."""
    source = Source(settings_from())
    source._requests.patience = Patience(throttled_seconds=0.01, first_pause_seconds=0.001, longest_pause_seconds=0.01)
    asked = S3Params.model_validate({"Endpoint": server.endpoint, **params})
    with pytest.raises(GadusError) as caught:
        await (fetch_into(directory, source, asked) if directory else resolved(source, asked))
    error = caught.value
    everything = f"{error} {error!r} {error.message} {error.hint} {''.join(traceback.format_exception(error))}"
    assert server.secret_key not in everything
    assert error.hint
    return error
