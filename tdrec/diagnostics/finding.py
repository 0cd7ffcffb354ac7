"""What a check found: a status, a sentence, a remedy, and the figures behind them."""

import textwrap
from dataclasses import dataclass, field
from typing import Any

OK, WARN, FAIL = "OK", "WARN", "FAIL"
STATUSES = (OK, WARN, FAIL)
"""From good to bad."""

WIDTH = 83
"""Columns of a finding's text, beside its status and its check's name."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: What was looked at, such as `"teacher"` or `"gradients"`.
        status: `"OK"`, `"WARN"` (look at it) or `"FAIL"` (mend it before training).
        text: What was found, in plain words.
        remedy: What to do about it; None where nothing is wrong.
        figures: The numbers behind the text, plain values for JSON.
    """

    check: str
    status: str
    text: str
    remedy: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = textwrap.wrap(self.text, WIDTH)
        if self.remedy:
            lines += textwrap.wrap(f"-> {self.remedy}", WIDTH, subsequent_indent="   ")
        heads = [f"{self.status:<5} {self.check:<10} ", *[" " * 17] * (len(lines) - 1)]
        return "\n".join(head + line for head, line in zip(heads, lines, strict=True))
