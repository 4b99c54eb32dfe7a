"""`trivium doctor`: what this machine has, and what each absence means."""

from pathlib import Path

from trivium.cli import console


def doctor() -> None:
    """Show versions, devices, memory, disk, codecs and the hub, and what each absence means."""
    from trivium.cli.findings import findings

    rows = [(found.what, found.value, found.means) for found in findings(Path.cwd())]
    console.table(("what", "here", "which means"), rows)
