"""What a source file says to Python: its tokens without comments, docstrings and messages.

A run's key holds their digest, so that a reworded message retrains nothing and a changed constant
does. The syntax tree is walked in place of the text: it is the same from Python 3.11 to 3.13.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

MESSAGES = {"print", "debug", "info", "warning", "error", "exception"}  # calls that only tell
BODIES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(paths) -> str:
    """SHA-256 over the tokens of Python files, and of all such files of folders, in their order."""
    found = hashlib.sha256()
    for path in map(Path, paths):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found.update("\0".join(tokens(file.read_bytes())).encode() + b"\1")
    return found.hexdigest()


def tokens(source: str | bytes) -> Iterator[str]:
    """Node kinds, names and constants of a module, in the order of the source; of bytes, whatever
    encoding they name."""
    return _tokens(ast.parse(source), telling=False)


def _tokens(node: ast.AST, telling: bool) -> Iterator[str]:
    telling = telling or _tells(node)
    if telling and isinstance(node, (ast.Constant, ast.JoinedStr)):
        return
    yield type(node).__name__
    for field, value in ast.iter_fields(node):
        if field in ("ctx", "kind", "type_comment", "type_params"):
            continue
        if field == "body" and isinstance(node, BODIES) and ast.get_docstring(node, clean=False):
            value = value[1:]
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _tokens(part, telling)
            elif part is not None:
                yield repr(part)


def _tells(node: ast.AST) -> bool:
    """Whether a node raises an error or calls something that only tells."""
    called = node.func if isinstance(node, ast.Call) else None
    name = getattr(called, "attr", getattr(called, "id", None))
    return isinstance(node, ast.Raise) or name in MESSAGES
