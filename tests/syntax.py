"""Python files as trees, for tests that look at how things are written."""

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """What a file says.

    No garbage is collected meanwhile: where that tells of a failure which nobody has asked about, the traceback is
    written by means of the same parser, and CPython 3.11 then finds its depth of recursion changed ("AST constructor
    recursion depth mismatch").
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    finally:
        if was_on:
            gc.enable()
