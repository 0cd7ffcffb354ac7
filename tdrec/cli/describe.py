"""What `tdrec.describe` does: says what is in a table, and writes a TOML file to start from."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from tdrec.cli.main import at_the_door
from tdrec.cli.options import UsageError
from tdrec.data import Split, TableSource, read_table
from tdrec.data.summary import facts_of
from tdrec.data.table_guess import guess
from tdrec.runtime.files import replace_file, user_path
from tdrec.tasks.segment import split_of

FLAGS = {
    "items": "A table of the items, if there is one.",
    "separator": "Between the fields of text. Else it is found.",
    "encoding": "Of text: utf-8, the default, or latin-1.",
    "out": "The file to write. Default: the table's name, with .toml.",
}


def main(argv: Sequence[str], about: str) -> int:
    """Parses the command line, guesses the columns, writes the file and says what was read.

    Args:
        argv: The command line, program name first.
        about: What the help begins with.

    Returns:
        The exit status: 0, or 2 for a wrong value or a table that cannot be read.
    """
    lines = (f"  --{name:<12}{text}" for name, text in FLAGS.items())
    return at_the_door(about.strip() + "\n\n" + "\n".join(lines), argv, lambda: _describe(argv))


def _describe(argv: Sequence[str]) -> int:
    given, rest = _parsed(argv)
    if len(rest) != 1:
        raise UsageError(
            "name one table: python -m tdrec.describe ratings.csv [--items=items.csv]. "
            f"Received: {shlex.join(rest) or 'none'}."
        )
    rows = rest[0]
    how = {name: given[name] for name in ("separator", "encoding") if given[name] is not None}
    found = guess(rows, given["items"], **how)
    out = user_path(given["out"] or Path(rows).with_suffix(".toml").name)
    if out.exists():
        raise UsageError(f"--out must be a new file. Received: {out}, which exists. Name another.")
    text = _beside(found.source, out.parent).to_toml()
    if found.others:
        text += f"\n# Columns that nothing was made of: {', '.join(found.others)}.\n"
    replace_file(out, text)
    print(f"{out}: what the columns seem to mean. Correct it where it is wrong.")
    if found.unsure:
        print(f"*** No column was found for: {', '.join(found.unsure)}. Name them in {out}.")
        return 0
    data = read_table(found.source)
    split: Split = split_of(found.source)
    for warning in data.warnings:
        print(f"*** {warning}")
    for name, fact in facts_of(data, split(data), split).items():
        print(f"  {name}: {fact}")
    densest = max(data.segment_counts().items(), key=lambda each: each[1])[0]
    command = ["--data=" + str(out), "--segment=" + densest, "--method=ld"]
    print(f"\nThen: python -m tdrec.run {shlex.join(command)}")
    return 0


def _beside(source: TableSource, folder: Path) -> TableSource:
    """With paths as seen from the folder that the file is in."""

    def seen(path: str) -> str:
        return path if Path(path).is_absolute() else os.path.relpath(path, folder)

    return source.changed(rows=seen(source.rows), items=source.items and seen(source.items))


def _parsed(argv: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    defined = flags.FlagValues()
    for name, text in FLAGS.items():
        flags.DEFINE_string(name, None, text, flag_values=defined)
    try:
        rest = defined(list(argv))[1:]
    except flags.Error as error:
        raise UsageError(" ".join(str(error).split())) from error
    return {name: getattr(defined, name) for name in FLAGS}, rest
