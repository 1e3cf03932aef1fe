"""What the source never does: read from it, so that nobody can do it by mistake."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from trioagent.models.catalogue import CATALOGUE

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in ("trioagent", "providers", "tools", "bench")
    for path in (ROOT / folder).rglob("*.py")
)
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint"),
    *("os.system", "os.popen", "os.spawnl", "os.spawnv", "os.startfile"),
    *("subprocess.getoutput", "subprocess.getstatusoutput"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load"),
    *("marshal.loads", "shelve.open", "dill.load", "dill.loads", "joblib.load"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
    *("tempfile.mktemp", "os.tempnam", "tarfile.extractall", "shutil.unpack_archive"),
    *("ssl._create_unverified_context", "ssl.wrap_socket"),
    *("xml.etree.ElementTree.parse", "xml.etree.ElementTree.fromstring"),
    *("random.seed", "torch.hub.load", "os.chmod", "os.umask"),
}
"""`os.umask` is the whole process's: files get their mode when they are made."""
NUMPY_LOADS = {"np.load", "numpy.load"}
UNVERIFIED = {"check_hostname", "verify_mode"}


@functools.cache
def trees() -> list[tuple[str, ast.Module]]:
    return [
        (str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
        for path in SOURCES
    ]


@functools.cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """All calls: where, the name that is called, the call."""
    return [
        (f"{name}:{node.lineno}", ast.unparse(node.func), node)
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]


def keyword(call: ast.Call, name: str) -> str | None:
    return next((ast.unparse(k.value) for k in call.keywords if k.arg == name), None)


def test_the_source_is_found() -> None:
    """The tests below would pass on nothing, too."""
    assert len(SOURCES) > 200
    assert len(calls()) > 3000
    found = {name for _, name, _ in calls()}
    assert {"subprocess.Popen", "torch.load", "httpx.AsyncClient"} <= found


def test_nothing_runs_text_or_unpacks_objects() -> None:
    found = [
        f"{where}: {name}" for where, name, _ in calls() if name in FORBIDDEN_CALLS
    ]
    assert found == []
    methods = [
        f"{where}: {name}" for where, name, _ in calls() if name.endswith(".extractall")
    ]
    assert methods == []


def test_no_program_is_started_by_a_shell() -> None:
    found = [
        where
        for where, _, call in calls()
        if keyword(call, "shell") not in (None, "False")
    ]
    assert found == []
    shells = {"sh", "bash", "/bin/sh", "/bin/bash", "cmd", "powershell"}
    for where, name, call in calls():
        if name.endswith(("Popen", "run_process", "open_process", "subprocess.run")):
            words = {n.value for n in ast.walk(call) if isinstance(n, ast.Constant)}
            assert not words & shells, where


def test_tensors_are_loaded_as_tensors_only() -> None:
    torch = [(where, call) for where, name, call in calls() if name == "torch.load"]
    assert torch
    for where, call in torch:
        assert keyword(call, "weights_only") == "True", where
    for where, name, call in calls():
        if name in NUMPY_LOADS:
            assert keyword(call, "allow_pickle") in (None, "False"), where
        assert keyword(call, "allow_pickle") != "True", where
        assert keyword(call, "trust_remote_code") in (None, "False"), where


def test_no_module_knows_more_of_pickle_than_its_errors() -> None:
    for name, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle":
                assert node.attr in ("UnpicklingError", "PicklingError"), name
            if isinstance(node, ast.ImportFrom):
                assert node.module not in ("pickle", "marshal", "shelve"), name


def test_certificates_are_verified_everywhere_but_where_a_pin_is_compared() -> None:
    for where, name, call in calls():
        assert keyword(call, "verify") is None, f"{where}: {name}"
        assert keyword(call, "assert_hostname") is None, f"{where}: {name}"
    unverified = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and (
            node.attr == "CERT_NONE"
            or (node.attr in UNVERIFIED and isinstance(node.ctx, ast.Store))
        )
    }
    # With trust = "pin": tests/test_security_tls.py.
    assert unverified == {"providers/rooms/mumble/tls.py"}


def test_addresses_that_are_built_in_are_https_or_local() -> None:
    """Those of models, above all."""
    found = []
    for name, tree in trees():
        documentation = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Constant) or id(node) in documentation:
                continue
            text = str(node.value)
            at = text.find("http://")
            near = text[at + 7 :]
            if at >= 0 and not near.startswith(("127.0.0.1", "localhost", "host:")):
                found.append(f"{name}:{node.lineno}: {text[at : at + 60]!r}")
    harmless = [line for line in found if "'http://'" not in line]
    assert [line for line in harmless if "www.w3.org" not in line] == []


def test_models_come_over_https() -> None:
    sources = [source for model in CATALOGUE for source in model.sources]
    assert len(sources) > 10
    assert all(source.url.startswith("https://") for source in sources)


@pytest.mark.parametrize("name", ["setup", "check", "check_nemo"])
def test_scripts_pass_no_word_through_a_shell_twice(name: str) -> None:
    text = (ROOT / "tools" / name).read_text(encoding="utf-8")
    assert "eval " not in text
    assert "| sh" not in text
    assert "--no-check-certificate" not in text
    assert "--trusted-host" not in text


def test_onnxruntime_is_told_to_be_quiet_wherever_it_is_imported() -> None:
    importers = {
        name
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        and any(alias.name.startswith("onnxruntime") for alias in node.names)
        and name.startswith(("trioagent/", "providers/"))
    }
    assert importers == {"providers/vad/silero.py"}
    source = (ROOT / "providers/vad/silero.py").read_text(encoding="utf-8")
    assert source.index("ORT_DISABLE_TELEMETRY") < source.index("import onnxruntime")


def test_every_test_that_the_documentation_names_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 40
    for file, test in named:
        functions = {
            node.name
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert test in functions, f"{file}::{test}"
