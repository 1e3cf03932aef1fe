"""torch's recognizers where their packages are not: what to install is said."""

from __future__ import annotations

import importlib.util

import pytest

from providers.asr import nemo, nemotron_hf
from trioagent.errors import ProviderUnavailable


@pytest.mark.parametrize(
    ("provider", "missing", "hint"),
    [
        (nemotron_hf, "torch", "pip install 'trioagent[nemotron-hf]'"),
        (nemotron_hf, "transformers", "pip install 'trioagent[nemotron-hf]'"),
        (nemo, "torch", "trioagent serve asr --provider nemo"),
        (nemo, "nemo", "trioagent serve asr --provider nemo"),
    ],
)
async def test_a_missing_package_is_named_with_the_command_that_installs_it(
    provider: object, missing: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == missing else find("json"),
    )
    options = provider.Options()
    reason = provider.PROVIDER.unavailable(options)
    assert missing in reason
    with pytest.raises(ProviderUnavailable, match="is not installed") as caught:
        async with provider.PROVIDER.open(options):
            pass
    assert missing in caught.value.message
    assert hint in caught.value.hint
