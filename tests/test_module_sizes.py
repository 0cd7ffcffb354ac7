"""No module of tdrec is longer than one can keep in mind."""

import ast
import io
import tokenize
from pathlib import Path

import pytest

import tdrec

ROOT = Path(tdrec.__file__).parent
MOST = 250
"""Lines of code, docstrings not counted."""
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    tokenize.ENDMARKER,
}


def lines_of_code(source):
    """How many lines have code: no blank ones, comments, or texts that stand alone."""
    texts = {
        line
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for line in range(node.lineno, node.end_lineno + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        line
        for token in tokens
        if token.type not in NO_CODE
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(code - texts)


def test_only_code_counts():
    source = '"""A text\nof two lines."""\n\n# a comment\nx = (\n    1\n)\n"""Of x."""\ny = "a"\n'
    assert lines_of_code(source) == 4


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_module_is_too_long(path):
    assert lines_of_code(path.read_text(encoding="utf-8")) <= MOST
