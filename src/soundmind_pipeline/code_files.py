"""The files that a piece of code consists of: modules by their imports, and the package data that they name."""

import ast
import functools
import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import resolve_name
from pathlib import Path

PACKAGE = "soundmind_pipeline"


def code_files(entries: Iterable[str], source: Path) -> list[Path]:
    """Files of this package that decide what the modules ``entries`` do, themselves included.

    A module is followed wherever in the code its import stands, save under ``if TYPE_CHECKING``, and when it is named
    in a string (``python -m …`` in a process of its own). Importing a module runs the packages above it: those that
    hold code are here too, but for the top one, which holds the version. Templates and tables are here when a module
    names both their package and them, or a template that is here names them.

    Args:
        entries: Dotted module names inside the package.
        source: The folder that holds the package.

    Returns:
        Paths relative to ``source``'s parent, sorted.
    """
    modules: set[Path] = set()
    seen: set[Path] = set()
    names: set[str] = set()
    texts: set[str] = set()
    queue = list(entries)
    while queue:
        module = queue.pop()
        file = _file_of(module, source)
        if file is None or file in seen:
            continue
        seen.add(file)
        package = module if file.name == "__init__.py" else module.rpartition(".")[0]
        imports, strings, decides = _read(file, package, file.stat().st_mtime_ns)
        if decides:
            modules.add(file)
        named = {*imports, *(text for text in strings if text.startswith(f"{PACKAGE}."))}
        names |= named
        texts |= strings
        queue += [*named, *_packages_above(module)]
    return sorted(path.relative_to(source.parent) for path in modules | _package_data(names, texts, source))


def made_with(modules: Iterable[str], libraries: Iterable[str], source: Path) -> dict[str, str]:
    """What a result depends on beside its inputs: digest of this package's code, and versions of what it builds on.

    Args:
        modules: The entries of :func:`code_files`.
        libraries: Installed distributions.
        source: The folder that holds the package.

    Returns:
        ``code``, and a version by library.
    """
    digest = hashlib.sha256()
    for file in code_files(modules, source):
        digest.update(file.as_posix().encode() + (source.parent / file).read_bytes())
    return {"code": digest.hexdigest()} | {name: version(name) for name in libraries}


@functools.lru_cache(maxsize=1000)  # stages share most of their modules
def _read(file: Path, package: str, modified: int) -> tuple[frozenset[str], frozenset[str], bool]:
    """What a module of ``package`` imports, the strings in it, and whether it is more than a package's docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    strings = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    texts = frozenset(value for value in strings if isinstance(value, str))
    return frozenset(_imports(tree, package)), texts, file.name != "__init__.py" or len(tree.body) > 1


def _file_of(module: str, source: Path) -> Path | None:
    path = source.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def _packages_above(module: str) -> list[str]:
    """The packages between the top one and ``module``."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts))]


def _imports(tree: ast.Module, package: str) -> Iterable[str]:
    for node in _running(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith(PACKAGE))
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            if module.startswith(PACKAGE):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)


def _running(node: ast.AST) -> Iterable[ast.AST]:
    """All of ``node`` but what only type checkers read."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield from _running(child)


def _package_data(packages: Iterable[str], texts: Iterable[str], source: Path) -> set[Path]:
    """Data files of ``packages``, beside their modules or in ``templates``, that ``texts`` or one another name."""
    folders = {source.joinpath(*name.split(".")) for name in packages}
    there = {
        file
        for folder in folders
        for file in [*folder.glob("*.*"), *folder.glob("templates/*.*")]
        if file.is_file() and file.suffix != ".py"
    }
    found: set[Path] = set()
    queue = list(texts)
    while queue:
        text = queue.pop()
        for file in {file for file in there - found if file.name in text}:
            found.add(file)
            queue.append(file.read_text(encoding="utf-8"))
    return found
