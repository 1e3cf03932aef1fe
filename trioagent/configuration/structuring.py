"""From tables to attrs objects, strictly: nothing is coerced and nothing is ignored.

A whole number is taken for a float; apart from that a value has its key's type or is
refused, "5" for 5 and true for 1 included.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import BaseValidationError
from cattrs.gen import make_dict_structure_fn, override

from trioagent.configuration.problems import (
    Problem,
    WrongValue,
    dotted,
    expected_by,
    first_words,
    is_secret,
    one_of,
    parts_of,
    problems_in,
)
from trioagent.errors import ConfigError

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


def structure(cls: type[T], table: object, problems: list[Problem]) -> T | None:
    """Make a `cls` from `table`; if that fails, add to `problems` and return None."""
    try:
        return _converter().structure(table, cls)
    except (BaseValidationError, WrongValue) as error:
        problems.extend(problems_in(error))
        return None


def structure_options(cls: type[T], table: object, where: str) -> T:
    """Make a provider's options from its table of the configuration.

    Args:
        cls: The provider's options: an attrs class.
        table: The table, as in the `options` of its section; `{}` is all defaults.
        where: The table's name for messages: "asr.sherpa".

    Raises:
        ConfigError: a line for each key that is unknown or has a wrong value.
    """
    problems: list[Problem] = []
    options = structure(cls, table, problems)
    if options is None:
        lines = (f"{dotted((where, *p.path))}: {p.text}" for p in problems)
        raise ConfigError("\n".join(lines))
    return options


@functools.cache
def _converter() -> Converter:
    """The one for all: what it compiles for a class is compiled once."""
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook(bool, _boolean)
    converter.register_structure_hook(int, _whole_number)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(str, _string)
    add: Any = converter.register_structure_hook_factory
    add(lambda kind: _origin(kind) is Literal, _literal_hook)
    add(lambda kind: _origin(kind) in (Union, types.UnionType), _union_hook)
    add(_is_array, _array_hook)
    add(lambda kind: _origin(kind) is dict, _mapping_hook)
    add(attrs.has, _attrs_hook)
    return converter


def _origin(kind: Any) -> Any:  # noqa: ANN401 - annotations have no common type
    return get_origin(kind)


def _boolean(value: object, _kind: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValue("be true or false", value)
    return value


def _whole_number(value: object, _kind: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue("be a whole number", value)
    return value


def _number(value: object, _kind: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue("be a number", value)
    return float(value)


def _string(value: object, _kind: object) -> str:
    if not isinstance(value, str):
        raise WrongValue("be a string in quotes", value)
    return str(value)


def _literal_hook(kind: object, _converter: Converter) -> Hook:
    choices = get_args(kind)

    def structure_literal(value: object, _kind: object) -> object:
        for choice in choices:
            if type(choice) is not bool and isinstance(value, bool):
                continue
            if isinstance(value, type(choice)) and value == choice:
                return choice
        raise WrongValue(f"be {one_of(choices)}", value)

    return structure_literal


def _union_hook(kind: object, converter: Converter) -> Hook:
    """Try the members in order. TOML has no null: None is only ever a default."""
    members = [member for member in get_args(kind) if member is not type(None)]
    hooks = [converter.get_structure_hook(member) for member in members]

    def structure_union(value: object, _kind: object) -> object:
        expected = []
        for member, hook in zip(members, hooks, strict=True):
            try:
                return hook(value, member)
            except WrongValue as error:
                expected.append(error.expected)
        raise WrongValue(" or ".join(expected), value)

    return structure_union


def _is_array(kind: object) -> bool:
    if get_origin(kind) is tuple:
        return get_args(kind)[-1] is Ellipsis
    return get_origin(kind) in (list, set, frozenset, Sequence)


def _array_hook(kind: object, converter: Converter) -> Hook:
    origin: Any = get_origin(kind)
    list_of: Any = types.GenericAlias(list, get_args(kind)[:1])
    items = list_structure_factory(list_of, converter)
    make = tuple if origin is Sequence else origin

    def structure_array(value: object, _kind: object) -> object:
        if not isinstance(value, list | tuple):
            raise WrongValue("be an array", value)
        return make(items(value, list))

    return structure_array


def _mapping_hook(kind: Any, converter: Converter) -> Hook:  # noqa: ANN401 - a dict[...]
    entries = mapping_structure_factory(kind, converter)

    def structure_mapping(value: object, _kind: object) -> object:
        if not isinstance(value, dict):
            raise WrongValue("be a table", value)
        return entries(value, kind)

    return structure_mapping


def _attrs_hook(cls: type, converter: Converter) -> Hook:
    attrs.resolve_types(cls)
    fields = {
        field.name: override(struct_hook=_field_hook(field, converter))
        for field in attrs.fields(cls)
        if field.init
    }
    make: Any = make_dict_structure_fn
    build = make(cls, converter, _cattrs_forbid_extra_keys=True, **fields)

    def structure_table(value: object, _kind: object) -> object:
        if not isinstance(value, dict):
            raise WrongValue("be a table", value)
        return build(value, cls)

    return structure_table


def _field_hook(field: attrs.Attribute[Any], converter: Converter) -> Hook:
    """Structure one key and check it here: a class stops at its first bad value."""
    hook = converter.get_structure_hook(field.type)
    has_checks = field.validator is not None and field.converter is None
    checks = parts_of(field.validator) if has_checks else ()

    def structure_field(value: object, kind: object) -> object:
        made = hook(value, kind)
        for check in checks:
            try:
                check(None, field, made)
            except AttributeError:
                continue  # it looks at the whole object: the class will run it
            except (ValueError, TypeError) as error:
                raise _refused(field, check, value, error) from error
        return made

    return structure_field


def _refused(
    field: attrs.Attribute[Any], check: object, value: object, error: Exception
) -> ValueError:
    """Say in our words what attrs' own validators found; others have their own."""
    if expected_by(check):
        return WrongValue(expected_by(field.validator), value)
    words = first_words(error).removeprefix(f"{field.name} ")
    if is_secret(field) and value:
        words = words.replace(str(value), "***")
    return ValueError(words)
