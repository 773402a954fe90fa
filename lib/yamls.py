"""YAML files read strictly: a typing mistake is an error with a place, never a surprise."""

import re

import yaml


class ParameterError(ValueError):
    """One line a mistake: where, what is wrong, what is allowed."""


# guard: safe-yaml
class _Loader(yaml.SafeLoader):
    """Safe YAML with decimal numbers only (1e-3 is one; 010, 1:30 and dates are text), which refuses a key given twice."""


_KINDS = ("timestamp", "int", "float")
_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0].rsplit(":")[-1] not in _KINDS]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(0|[1-9][0-9_]*)$"), list("-+0123456789")
)
# guard: decimal-numbers
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(([0-9]+\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+|\.(inf|Inf|INF))$|^\.(nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def _mapping(loader, node):
    pairs = [
        (loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
        for key, value in node.value
    ]
    names = [key for key, _ in pairs]
    twice = [
        f"{name} (line {key.start_mark.line + 1})"
        for i, (name, (key, _)) in enumerate(zip(names, node.value))
        if name in names[:i]
    ]
    # guard: given-once
    if twice:
        raise ParameterError(f"{', '.join(twice)}: given twice")
    return dict(pairs)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, source: str):
    """Read YAML from `text`; raises ParameterError that names `source` and the line."""
    try:
        return yaml.load(text, _Loader)
    except ParameterError as error:
        raise ParameterError(f"{source}: {error}") from None
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:  # PyYAML's, of bad tags
        raise ParameterError(f"{source}: not valid YAML: {' '.join(str(error).split())}") from None


def read_yaml(path) -> dict:
    """Read a YAML mapping from a file (an empty file is an empty mapping); raises ParameterError."""
    try:
        # guard: utf-8
        with open(path, encoding="utf-8") as file:
            content = parse_yaml(file.read(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path}: cannot be read ({error.__class__.__name__})") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ParameterError(
            f"{path}: expected 'name: value' lines, found {type(content).__name__}"
        )
    return content
