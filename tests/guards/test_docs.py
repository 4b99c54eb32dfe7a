"""The docs name what there is, and only that."""

import re
from pathlib import Path

import pytest
import typer

from tests.guards.commands_page import page
from trivium.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> dict[str, object]:
    found = {}

    def walk(command, name):
        for child_name, child in getattr(command, "commands", {}).items():
            found[f"{name} {child_name}"] = child
            walk(child, f"{name} {child_name}")

    walk(typer.main.get_command(app), "trivium")
    return found


def test_the_page_of_commands_is_what_the_commands_say():
    assert (ROOT / "docs" / "commands.md").read_text() == page(), "run `make docs`"


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_and_option_has_help(name):
    command = commands()[name]
    assert command.help
    assert all(parameter.help for parameter in command.params)


def code_blocks(path: Path) -> str:
    return "\n".join(re.findall(r"```(?:console|bash|)\n(.*?)```", path.read_text(), re.DOTALL))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_that_is_shown_exists(path):
    known = commands()
    for line in re.findall(r"^\$? ?(trivium [a-z].*)$", code_blocks(path), re.MULTILINE):
        words = [word for word in line.split() if not word.startswith("-")]
        name = " ".join(words[:2])
        assert name in known, line
        if hasattr(known[name], "commands"):
            name = " ".join(words[:3])
            assert name in known, line
        options = {option for p in known[name].params for option in p.opts} | {"--debug"}
        for option in re.findall(r"(?<= )--?[a-z][a-z-]*", line):
            assert option in options, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(path):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", code_blocks(path))) <= targets
    assert set(re.findall(r"`make ([a-z-]+)[^`]*`", path.read_text())) <= targets


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_file_of_ours_that_is_named_exists(path):
    for name in re.findall(r"`((?:src|tests|docs|benchmarks)/[\w./-]+)`", path.read_text()):
        assert (ROOT / name).exists(), name


def test_the_readme_is_short_and_starts_with_a_command():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 160
    assert any(line.startswith("make demo") for line in lines[:30])
    assert sum("![" in line for line in lines) == 1
