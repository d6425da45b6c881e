"""``soundmind reference``: every parameter, its type, default and meaning, as a page made from the params models."""

from collections.abc import Iterator
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

HEADER = """\
# Every parameter

Written by `soundmind reference` from the models that check the parameters; a test keeps it true. Values stand in
`conf/base/parameters_<stage>.yml` (environments override single keys), or are given for one run:
`kedro run --pipeline=rl --params rl.steps=40,rl.algorithm.name=grpo`. An unknown key is an error that names the nearest
known one. What is not named in a file has the default given here.
"""


def parameter_reference() -> str:
    """The page: one section a block, one table a nested block, in the order of the models."""
    from soundmind_pipeline.pipelines.parameters import BLOCKS

    sections = [section for name, model in BLOCKS.items() for section in _sections(name, model)]
    return "\n".join([HEADER, *sections])


def _sections(path: str, model: type[BaseModel]) -> Iterator[str]:
    """The model's own table, then those of the blocks nested in it."""
    rows, nested = [], []
    for name, field in model.model_fields.items():
        blocks = _blocks(field.annotation)
        for block in blocks:
            which = f" ({block.__name__})" if len(blocks) > 1 else ""
            nested.append((f"{path}.{name}{_suffix(field.annotation)}{which}", block))
        if not blocks or _suffix(field.annotation):
            cells = (f"`{name}`", _type(field.annotation, field), _default(field), field.description or "")
            rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    level = "##" if "." not in path else "###"
    yield f"{level} `{path}`\n\n{_first_paragraph(model)}\n"
    if rows:
        yield "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"
    for name, block in nested:
        yield from _sections(name, block)


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())


def _members(annotation: Any) -> list[Any]:
    """The alternatives of a union, without None."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [member for member in members if member is not NoneType]


def _blocks(annotation: Any) -> list[type[BaseModel]]:
    """The blocks behind a field: itself, optional, or those that the items of its list may be."""
    found: list[type[BaseModel]] = []
    for member in _members(annotation):
        if get_origin(member) in (list, tuple):
            found += [block for inner in get_args(member) if inner is not Ellipsis for block in _blocks(inner)]
        elif isinstance(member, type) and issubclass(member, BaseModel):
            found.append(member)
    return found


def _suffix(annotation: Any) -> str:
    """``[]`` for a list of blocks, ``?`` for a block that may be null."""
    if any(get_origin(member) in (list, tuple) for member in _members(annotation)):
        return "[]"
    return "?" if NoneType in get_args(annotation) else ""


def _type(annotation: Any, field: FieldInfo | None = None) -> str:
    """The type as a person writes it, with its bounds."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _type(get_args(annotation)[0])
    if annotation is NoneType:
        text = "null"
    elif origin in (Union, UnionType):
        text = " or ".join(_type(member) for member in get_args(annotation))
    elif origin is Literal:
        text = ", ".join(f"`{value}`" for value in get_args(annotation))
    elif origin in (list, tuple):
        inner = [item for item in get_args(annotation) if item is not Ellipsis]
        fixed = origin is tuple and Ellipsis not in get_args(annotation)
        text = f"[{', '.join(_type(item) for item in inner)}]" if fixed else f"list of {_type(inner[0])}"
    elif origin is dict or (origin is not None and len(get_args(annotation)) == 2):
        key, value = get_args(annotation)
        text = f"{_type(key)}: {_type(value)}"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        text = "block"
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        text = ", ".join(f"`{item.value}`" for item in annotation)
    else:
        names = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
        text = names.get(getattr(annotation, "__name__", ""), str(annotation))
    return text + _bounds(field)


def _bounds(field: FieldInfo | None) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [f"{signs[name]} {value}" for item in (field.metadata if field else ()) for name, value in _limits(item)]
    return f", {' and '.join(found)}" if found else ""


def _limits(item: Any) -> Iterator[tuple[str, Any]]:
    for name in ("ge", "gt", "le", "lt"):
        if (value := getattr(item, name, None)) is not None:
            yield name, value


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is PydanticUndefined:
        return "required"
    if isinstance(default, BaseModel) or (
        isinstance(default, (list, tuple)) and any(isinstance(item, BaseModel) for item in default)
    ):
        return "see the model" if isinstance(default, BaseModel) else f"{len(default)} blocks"
    if default is None:
        return "null"
    if isinstance(default, bool):
        return str(default).lower()
    return f"`{list(default)}`" if isinstance(default, tuple) else f"`{default}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when docs/parameters.md is out of date.")
def reference(check: bool) -> None:
    """Write docs/parameters.md: every parameter with type, default and meaning."""
    from soundmind_pipeline.commands.project import find_project, write_or_check

    written = write_or_check(
        find_project() / "docs" / "parameters.md", parameter_reference(), check, "soundmind reference"
    )
    click.echo(f"docs/parameters.md is {'written' if written else 'up to date'}.")
