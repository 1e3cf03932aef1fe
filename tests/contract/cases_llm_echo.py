from __future__ import annotations

from providers.llm.echo import PROVIDER, Options
from tests.contract.llm_case import Case

CASES = [Case("echo", lambda _folder: PROVIDER.open(Options()))]
