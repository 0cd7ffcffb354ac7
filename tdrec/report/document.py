"""A page as data: parts of text, tables and figures, laid out as HTML and as Markdown.

The idea: what builds a page says what is on it, and nothing of markup. Both layouts come from the
same data, so that they say the same; Markdown leaves the figures out. Whatever text comes in is
escaped here, and only here.

Example:
    >>> table = Table(["Task", "Scratch"], [["Drama", Cell("0.9431", ("± 0.0012",), bold=True)]])
    >>> print(Document("Students", [Part("RMSE", [table])]).to_markdown())
    # Students
    <BLANKLINE>
    ## RMSE
    <BLANKLINE>
    | Task | Scratch |
    | --- | ---: |
    | Drama | **0.9431 (± 0.0012)** |
    <BLANKLINE>
"""

import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources


@dataclass(frozen=True)
class Cell:
    """What stands in a place of a table or a list.

    Attributes:
        text: First.
        lines: Smaller, below the text; empty ones are left out.
        mark: After the text: "▼" or "≈".
        bold, italic: How the text is set.
        method: Whose colour stands before the text; "" for none.
    """

    text: str
    lines: Sequence[str] = ()
    mark: str = ""
    bold: bool = False
    italic: bool = False
    method: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; a note explains what stands beside it, and says nothing alone."""

    text: str
    note: bool = True


@dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[Cell | str]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        head: Names of the columns; none for a list of facts.
        lines: From the top; the first cell of each is its name.
        names: How many columns, from the left, hold words and no numbers. Default 1.
        rules: Numbers of the lines that a rule sets apart from those above. Default: none.
    """

    head: Sequence[Cell | str]
    lines: Sequence[Sequence[Cell | str]]
    names: int = 1
    rules: Collection[int] = ()


@dataclass(frozen=True)
class Figures:
    """Plots side by side, as (`<svg>` element, caption); those without an element are left out."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text as it is."""

    text: str


@dataclass(frozen=True)
class Part:
    """A titled part of a page, which is left out if there is nothing but notes in it.

    Attributes:
        title: Its heading.
        blocks: What is in it; parts, too.
        folded: Whether a reader opens it first.
    """

    title: str
    blocks: "Sequence[Block]"
    folded: bool = False


Block = Text | Points | Table | Figures | Code | Part


@dataclass(frozen=True)
class Document:
    """A page.

    Attributes:
        title: Of the page.
        blocks: From the top; those that are empty are left out.
        warnings: What a reader must know before all else.
    """

    title: str
    blocks: Sequence[Block]
    warnings: Sequence[str] = ()

    def to_html(self) -> str:
        """One HTML file that needs nothing else, for light and dark screens, wide and narrow."""
        import jinja2

        from tdrec.report.drawing import PALETTE

        environment = jinja2.Environment(
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {"cell": _cell, "kind": lambda block: type(block).__name__}
        text = resources.files(__package__).joinpath("report.html").read_text("utf-8")
        template = environment.from_string(text)
        return template.render(
            page=_shown(self.blocks, figures=True), document=self, palette=PALETTE
        )

    def to_markdown(self) -> str:
        """The same as Markdown, without the figures."""
        found = [f"# {markdown(self.title)}"]
        if self.warnings:
            found.append("\n".join(["> **⚠ Warning**", ">", *_points("> - ", self.warnings)]))
        for block in _shown(self.blocks, figures=False):
            found += _in_markdown(block, 2)
        return "\n\n".join(found) + "\n"


def markdown(text: str) -> str:
    """Text as one line of a Markdown table's cell: no markup, no breaks of cells or lines.

    Example:
        >>> print(markdown("a|b <c>"))
        a\\|b &lt;c&gt;
    """
    line = html.escape(re.sub(r"[^\S\u00a0]+", " ", text), quote=False)
    return "".join("\\" + x if x in "\\|`*_[]" else x for x in line)


def fenced(text: str) -> str:
    """A Markdown code block that the text cannot end, whatever backticks it has."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}"


def _cell(cell: Cell | str) -> Cell:
    cell = Cell(cell) if isinstance(cell, str) else cell
    return replace(cell, lines=[line for line in cell.lines if line])


def _shown(blocks: Sequence[Block], figures: bool) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        if isinstance(block, Part):
            shown = _shown(block.blocks, figures)
            is_empty = all(isinstance(x, Text) and x.note for x in shown)
            block = replace(block, blocks=[] if is_empty else shown)
        elif isinstance(block, Figures):
            block = Figures([(svg, caption) for svg, caption in block.items if svg and figures])
        if any(getattr(block, name, ()) for name in ("blocks", "items", "lines", "text")):
            found.append(block)
    return found


def _in_markdown(block: Block, level: int) -> Iterator[str]:
    match block:
        case Part(title, blocks, folded):
            name = f"<summary>{html.escape(' '.join(title.split()))}</summary>"
            yield f"<details>{name}" if folded else f"{'#' * level} {markdown(title)}"
            for each in blocks:
                yield from _in_markdown(each, level + 1)
            if folded:
                yield "</details>"
        case Text(text):
            yield markdown(text)
        case Points(items):
            yield "\n".join(_points("- ", items))
        case Code(text):
            yield fenced(text)
        case Table(head, lines, names):
            cells = [[*map(_in_cell, line)] for line in (head or [""] * len(lines[0]), *lines)]
            rule = ["---" if i < names else "---:" for i in range(len(cells[0]))]
            yield "\n".join(f"| {' | '.join(line)} |" for line in (cells[0], rule, *cells[1:]))


def _points(start: str, items: Sequence[Cell | str]) -> list[str]:
    return [
        start + " ".join([_in_cell(replace(x, lines=())), *map(markdown, x.lines)])
        for x in map(_cell, items)
    ]


def _in_cell(cell: Cell | str) -> str:
    cell = _cell(cell)
    text = markdown(" ".join(filter(None, (cell.text, cell.mark))))
    text += f" ({markdown(', '.join(cell.lines))})" if cell.lines else ""
    around = "**" * cell.bold + "_" * cell.italic
    return f"{around}{text}{around[::-1]}"
