"""Which of the project's modules another one imports, found without importing any."""

import ast
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]


def files_of(modules: Iterable[str]) -> set[Path]:
    """Return the files of ``modules`` and of all the project's modules that they import.

    A module that is imported by a name made at run time must be given: digits.networks imports
    its networks so.
    """
    found: set[Path] = set()
    names = list(modules)
    while names:
        path = file_of(names.pop())
        if path is None or path in found:
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = [f"{node.module}.{alias.name}" for alias in node.names]
                names += [name if file_of(name) else node.module for name in inner]
    return found


def file_of(name: str) -> Path | None:
    """Return the file of the module or package ``name``, if it is one of the project's."""
    module = ROOT / name.replace(".", "/")
    files = (module.with_suffix(".py"), module / "__init__.py")
    return next((file for file in files if file.is_file()), None)
