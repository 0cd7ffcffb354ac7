"""The tests, in one command: `python -m tests`, with further arguments for pytest."""

import subprocess
import sys
from pathlib import Path

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy", "tdrec"),
    ("pytest", *sys.argv[1:]),
)


def main() -> int:
    """Runs each check; returns the exit status of the first that fails, or 0."""
    for check in CHECKS:
        print("$ python -m", *check, flush=True)
        status = subprocess.call(
            [sys.executable, "-m", *check], cwd=Path(__file__).resolve().parent.parent
        )
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
