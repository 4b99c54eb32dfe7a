"""`trivium` and `python -m trivium`: the way in, which loads the commands and takes Ctrl-C."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Run a command: exit code 0, or 2 with one sentence on stderr, or 130 after Ctrl-C."""
    try:
        from trivium.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        print("trivium: interrupted; nothing half-written is left", file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
