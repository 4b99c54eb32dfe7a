"""The README is a promise: its commands, run in a clean copy, print what it shows."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACTIVATE = ". .venv/bin/activate"


def clean_copy(target: Path) -> Path:
    """The files git knows of, as they are now, and nothing else."""
    names = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                           cwd=ROOT, capture_output=True, text=True, check=True).stdout  # fmt: skip
    for name in names.splitlines():
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def lend_environment(copy: Path) -> None:
    """An environment that has our dependencies and the copy's package, without installing again.

    `test_a_fresh_machine` installs for real; it is slow.
    """
    venv = copy / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    (site / "lent.pth").write_text(f"{copy / 'src'}\n{ours}\n")
    script = venv / "bin" / "trivium"
    script.write_text(f"#!{venv}/bin/python\nfrom trivium.__main__ import main\n"
                      "if __name__ == '__main__':\n    main()\n")  # fmt: skip
    script.chmod(0o755)
    makefile = (ROOT / "Makefile").read_text()
    (venv / ".installed").write_text(re.search(r"^TORCH +\?= (.*)$", makefile, re.MULTILINE)[1])


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def run(command: str, copy: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ours = str(Path(sys.executable).parent)
    places = [place for place in os.environ["PATH"].split(":") if place != ours]
    environment["PATH"] = ":".join(places)  # as it is for a person who has just cloned
    if not command.startswith("make"):
        command = f"{ACTIVATE}; {command}"
    done = subprocess.run(["bash", "-c", command], cwd=copy, env=environment, check=False,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def commands_with_output() -> list[tuple[str, list[str]]]:
    """Every `$ command` of the README's console blocks, with the lines shown under it."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and line.strip():
                found[-1][1].append(line)
    return found


def shown_in(line: str, output: str) -> bool:
    """`...` in the README stands for anything; runs of spaces and rules are a matter of width."""
    parts = [re.escape(part.strip()) for part in re.split(r"\.\.\.|\s{2,}|[─━╶╴]+", line)]
    return re.search(r"[\s─━]*.*?".join(part for part in parts if part), output) is not None


def test_the_readmes_commands_print_what_it_shows(tmp_path):
    copy = clean_copy(tmp_path / "trivium")
    lend_environment(copy)
    shell = "\n".join(blocks("bash"))
    assert re.search(r"^make demo", shell, re.MULTILINE)
    assert re.search(r"^make test", shell, re.MULTILINE)
    assert ACTIVATE in shell
    output = run("make demo", copy)
    assert "Next:" in output
    last = [line for line in output.splitlines() if not line.startswith("make")][-1]
    assert last.split()[:2] == ["trivium", "serve"]
    assert (copy / "demo" / "found.html").exists()
    shown = commands_with_output()
    assert len(shown) >= 3
    for command, lines in shown:
        output = run(command, copy)
        for line in lines:
            assert shown_in(line, output), f"{command}\nshould print\n{line}\nbut prints\n{output}"


def test_the_readmes_python_runs(tmp_path):
    copy = clean_copy(tmp_path / "trivium")
    lend_environment(copy)
    run("make demo", copy)
    examples = blocks("python")
    assert examples
    for number, example in enumerate(examples):
        (copy / f"example{number}.py").write_text(example)
        run(f"python example{number}.py", copy)


@pytest.mark.slow
def test_a_fresh_machine_needs_only_python_and_make(tmp_path):
    """`make demo` with a real installation from the lock, then again, which installs nothing."""
    copy = clean_copy(tmp_path / "trivium")
    assert "Next:" in run("make demo", copy)
    assert "installing" not in run("make demo", copy)
    targets = run("make -n test test-slow check docs format", copy)
    assert "-m pytest" in targets
