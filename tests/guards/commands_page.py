"""The page docs/commands.md, from the commands themselves: `make docs` writes it."""

import inspect
from typing import Any

import typer

from trivium.cli.main import app

HEAD = """# Commands

Made by `make docs` from the commands themselves; a test compares the two. Errors are one sentence
and exit code 2; 1 is of `corpus check` that finds something, and of an import or a `pseudo-label`
that keeps no row; Ctrl-C is 130; `trivium --debug COMMAND ...` shows the traceback.
"""


def page() -> str:
    """The whole page."""
    group = typer.main.get_command(app)
    return "\n".join([HEAD, *_sections(group, "trivium")])


def _sections(command: Any, name: str) -> list[str]:
    text = inspect.cleandoc(command.help or "")
    if hasattr(command, "commands"):
        inner = [
            section
            for child_name, child in command.commands.items()
            for section in _sections(child, f"{name} {child_name}")
        ]
        return [f"## `{name}`\n\n{text}\n", *_options(command), *inner]
    usage = " ".join(
        p.metavar or p.name.upper() for p in command.params if p.param_type_name == "argument"
    )
    return [f"### `{f'{name} {usage}'.strip()}`\n\n{text}\n", *_options(command)]


def _options(command: Any) -> list[str]:
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            rows.append(f"| `{parameter.metavar or parameter.name.upper()}` | {parameter.help} | |")
        else:
            names = ", ".join(f"`{option}`" for option in parameter.opts)
            default = parameter.default
            shown = "" if default is None or isinstance(default, bool) else f"`{default}`"
            rows.append(f"| {names} | {parameter.help} | {shown} |")
    if not rows:
        return []
    return ["| | | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"]


if __name__ == "__main__":
    print(page(), end="")
