"""Readers of reports, shared by their tests."""

import html
import re
from html.parser import HTMLParser

VOID = {"meta", "path", "use", "circle", "rect", "image", "br"}


class Balance(HTMLParser):
    """Fails at an end tag that closes another element than the one that was opened last."""

    def __init__(self):
        super().__init__()
        self.open, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> at {self.getpos()}"


def check_balance(page):
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    return parser.tags


def tables_of(page):
    """The tables of an HTML page, as lines of cells of (text, second lines)."""
    found = []
    for table in re.findall(r"<table.*?</table>", page, flags=re.S):
        lines = re.findall(r"<tr.*?</tr>", table, flags=re.S)
        cells = [re.findall(r"<t[hd]\b(.*?)>(.*?)</t[hd]>", line, flags=re.S) for line in lines]
        found.append([[_content(*cell) for cell in line] for line in cells])
    return found


def _content(attributes, content):
    second = re.findall(r'<span class="second">(.*?)</span>', content, flags=re.S)
    first = re.sub(r'<span class="second">.*?</span>', "", content, flags=re.S)
    first = html.unescape(re.sub(r"<[^>]*>", "", first)).replace("\u00a0", " ").strip("● ")
    bold = "best" in attributes.split('class="')[-1].split('"')[0].split()
    return first, [html.unescape(x).replace("\u00a0", " ") for x in second], bold


def markdown_tables(text):
    """The tables of a Markdown page, as lines of cells."""
    found = []
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
        lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        assert len({len(line) for line in lines}) == 1
        assert all(re.fullmatch(r" -+:? ", cell) for cell in lines[1])
        del lines[1]
        found.append([[cell.strip().replace("\u00a0", " ") for cell in line] for line in lines])
    return found
