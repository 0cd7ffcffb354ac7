"""Tests of rows, numbers and pages; the plots have a file of their own."""

import ast
import copy
import json
import math
import random
import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdrec import report

LABELS = {
    "Bias": "bias",
    "Teacher": "teacher",
    "Scratch": "scratch",
    "LD": "ld",
    "FD": "fd",
    "FitNet": "fitnet",
    "TD k=1": "td",
    "TD k=2": "td",
}


def make_row(genre="War", label="Scratch", seed=0, rmse=1.0, **changes):
    row = {
        "genre": genre,
        "method": LABELS.get(label, "td"),
        "label": label,
        "seed": seed,
        "rmse": rmse,
        "rmse_cold": rmse + 0.01,
        "rmse_warm": rmse - 0.01,
        "n_train": 8459,
        "n_test": 939,
        "cold_share": 0.7,
        "density_rank": 8,
        "params": 61234,
        "multiply_adds": 46000,
        "model_bytes": 300000,
        "latency_ms": 1.9,
        "train_seconds": 7.1,
        "curve": [{"step": 50 * i, "rmse": 1 + 1 / i, "loss": 1.0} for i in range(1, 41)],
        "data": {
            "name": "MovieLens 100K",
            "sha256": "ab" * 32,
            "warnings": [],
            "n_train": 90000,
            "n_test": 10000,
            "cut": 891382309,
            "ties": 3,
            "cold_share": 0.711,
            "unseen_movie_share": 0.013,
        },
        "config": {"regime": "strong", "weights": [10, 3, 3]},
        "key": f"{genre}/{label}/{seed}",
        "versions": {"python": "3.11.7", "tdrec": "0.1.0"},
        "git": "abc1234",
    }
    return row | changes


def make_study(genres=3, labels=tuple(LABELS), seeds=4, generator=0):
    random_numbers = np.random.default_rng(generator)
    rows = []
    for g in range(genres):
        sizes = {"n_train": 9000 - 500 * g, "n_test": 900, "density_rank": g + 1 if g < 8 else None}
        for label in labels:
            alone = LABELS[label] in ("bias", "teacher")
            for seed in [None] if alone else range(seeds):
                rmse = float(1 + 0.02 * g + random_numbers.normal(0, 0.01))
                rows.append(make_row(f"Genre-{g}", label, seed, rmse, **sizes))
    return rows


def values(rows, genre, label, field="rmse"):
    chosen = [row for row in rows if row["genre"] == genre and row["label"] == label]
    return np.array([row[field] for row in sorted(chosen, key=lambda row: row["seed"] or 0)])


def pages(rows, command="python -m tdrec.run", notes=()):
    summary = report.summarise(rows)
    return (
        report.to_markdown(summary, rows, command, notes),
        report.to_html(summary, rows, command, notes),
    )


# Rows on disk


def test_rows_survive_writing_and_reading(tmp_path):
    path = tmp_path / "results.jsonl"
    rows = [make_row(label="TD k=1", note="Amélie"), make_row(seed=1, rmse=math.inf)]
    report.write_rows(path, rows)
    assert report.read_rows(path) == rows
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize("cut", [1, 25, -2])
def test_a_last_line_cut_off_is_left_out_with_a_warning(tmp_path, cut):
    path = tmp_path / "results.jsonl"
    row = {"genre": "War", "rmse": 1.0, "note": "é"}
    line = json.dumps(row, ensure_ascii=False).encode()
    path.write_bytes(line + b"\n\n" + line[:cut])
    with pytest.warns(UserWarning, match=r"results\.jsonl, line 3: the last line is cut off"):
        assert report.read_rows(path) == [row]


def test_a_character_cut_in_two_is_a_line_cut_off(tmp_path):
    path = tmp_path / "results.jsonl"
    path.write_bytes('{"note": "é'.encode()[:-1])
    with pytest.warns(UserWarning, match="cut off"):
        assert report.read_rows(path) == []


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": \n{"a": 2}\n', '{"a": 1}\n[1]\n', '{}\n{"a":\n'])
def test_a_line_that_is_no_row_is_named(tmp_path, text):
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"results\.jsonl, line 2: .*Received: "):
        report.read_rows(path)


def test_rows_that_cannot_be_written_leave_the_old_file(tmp_path):
    path = tmp_path / "results.jsonl"
    report.write_rows(path, [{"a": 1}])
    with pytest.raises(TypeError):
        report.write_rows(path, [{"a": 2}, {"a": object()}])
    assert report.read_rows(path) == [{"a": 1}]
    assert len(list(tmp_path.iterdir())) == 1


# Numbers


def test_summary_agrees_with_numpy():
    rows = make_study()
    summary = report.summarise(random.Random(0).sample(rows, len(rows)))
    students = [label for label, method in LABELS.items() if method not in ("bias", "teacher")]
    for genre in summary.genres:
        scratch = values(rows, genre.name, "Scratch")
        means = {label: values(rows, genre.name, label).mean() for label in LABELS}
        assert genre.cells.keys() == means.keys()
        for label, cell in genre.cells.items():
            own = values(rows, genre.name, label)
            assert cell.n == len(own)
            assert cell.rmse == pytest.approx(np.sum(own) / len(own))
            cold = values(rows, genre.name, label, "rmse_cold")
            warm = values(rows, genre.name, label, "rmse_warm")
            assert cell.rmse_cold == pytest.approx(np.mean(cold))
            assert cell.rmse_warm == pytest.approx(np.mean(warm))
            if label in students:
                variance = np.sum((own - own.mean()) ** 2) / (len(own) - 1)
                assert cell.se == pytest.approx(np.sqrt(variance / len(own)))
            else:
                assert cell.se is None
            assert cell.best == (label == min(students, key=means.__getitem__))
            assert cell.beats_bias == (None if label == "Bias" else means[label] < means["Bias"])
            if label == "Scratch":
                assert cell.improvement is None and cell.verdict is None and not cell.hurt
                continue
            improvement = 100 * (1 - own.mean() / scratch.mean())
            assert cell.improvement == pytest.approx(improvement)
            if label in students:
                paired = own - scratch
                error = np.sqrt(np.cov(paired) / len(paired))
                assert cell.difference == pytest.approx(paired.mean())
                assert cell.difference_se == pytest.approx(error)
                assert cell.improvement_se == pytest.approx(100 * error / scratch.mean())
                assert cell.hurt == (paired.mean() > error)
                shown = "better" if paired.mean() < 0 else "worse"
                assert cell.verdict == (shown if abs(paired.mean()) > 2 * error else "unclear")
            else:
                assert cell.difference is None and not cell.hurt


def test_totals_agree_with_numpy():
    rows = make_study(genres=5, generator=3)
    summary = report.summarise(rows)
    for label, total in summary.totals.items():
        cells = [genre.cells[label] for genre in summary.genres]
        assert total.rmse == pytest.approx(np.mean([cell.rmse for cell in cells]))
        if label not in ("Bias", "Teacher"):
            errors = np.array([cell.se for cell in cells])
            assert total.se == pytest.approx(np.sqrt(np.sum(errors**2)) / 5)
        assert total.beats_bias + total.loses_to_bias == (0 if label == "Bias" else 5)
    assert sum(total.best for total in summary.totals.values()) == 5
    for label in ("LD", "TD k=2"):
        total = summary.totals[label]
        assert total.better + total.worse + total.unclear == 5
        assert total.improvement == pytest.approx(
            np.mean([genre.cells[label].improvement for genre in summary.genres])
        )


rmses = st.floats(0.5, 2.0)


@given(st.lists(rmses, min_size=2, max_size=8), st.floats(0.1, 10), st.floats(-1, 1))
def test_standard_error_scales_and_does_not_shift(numbers, scale, shift):
    mean, error = report.mean_and_error(numbers)
    moved_mean, moved_error = report.mean_and_error([scale * x + shift for x in numbers])
    assert moved_mean == pytest.approx(scale * mean + shift, abs=1e-9)
    assert moved_error == pytest.approx(scale * error, abs=1e-9)
    assert error <= np.ptp(numbers) / math.sqrt(2) + 1e-12


@settings(max_examples=50)
@given(st.lists(st.tuples(rmses, rmses), min_size=1, max_size=6), st.floats(0.5, 2.0))
def test_improvement_has_the_sign_and_not_the_scale_of_the_difference(pairs, scale):
    def cell(factor):
        rows = []
        for seed, (scratch, td) in enumerate(pairs):
            rows.append(make_row(seed=seed, rmse=factor * scratch))
            rows.append(make_row(label="TD k=1", seed=seed, rmse=factor * td))
        return report.summarise(rows).genres[0].cells["TD k=1"]

    once, scaled = cell(1.0), cell(scale)
    assert scaled.improvement == pytest.approx(once.improvement, abs=1e-7)
    base = np.mean([scratch for scratch, _ in pairs])
    assert once.improvement == pytest.approx(-100 * once.difference / base, abs=1e-9)
    assert not (once.hurt and once.improvement > 0)
    assert not (once.hurt and once.verdict == "better")


@given(rmses)
def test_a_method_that_equals_scratch_neither_helps_nor_hurts(rmse):
    rows = [make_row(label=x, seed=s, rmse=rmse) for x in ("Scratch", "LD") for s in range(3)]
    cell = report.summarise(rows).genres[0].cells["LD"]
    assert (cell.improvement, cell.verdict, cell.hurt) == (0, "unclear", False)


@pytest.mark.parametrize(("rmse", "hurt"), [(1.01, True), (1.0, False), (0.99, False)])
def test_one_seed_has_no_error_and_shows_nothing(rmse, hurt):
    rows = [make_row(rmse=1.0), make_row(label="LD", rmse=rmse)]
    cell = report.summarise(rows).genres[0].cells["LD"]
    assert (cell.se, cell.difference_se, cell.verdict, cell.hurt) == (None, None, "one seed", hurt)


def test_differences_are_paired_over_the_seeds_that_both_have():
    rows = [make_row(seed=s, rmse=1.0 + s) for s in (0, 1, 2)]
    rows += [make_row(label="LD", seed=s, rmse=1.1 + s) for s in (1, 2, 3)]
    cell = report.summarise(rows).genres[0].cells["LD"]
    assert cell.difference == pytest.approx(0.1)
    assert cell.difference_se == pytest.approx(0, abs=1e-12)
    assert cell.rmse == pytest.approx(3.1)
    assert cell.hurt


def test_genres_come_densest_first_and_labels_in_the_order_of_methods():
    rows = [make_row("Sparse", n_train=10), make_row("Dense", n_train=99)]
    rows += [make_row(label=label) for label in ("TD k=2", "own", "Bias", "TD k=1", "Teacher")]
    rows[3]["method"] = "my method"
    summary = report.summarise(rows)
    assert [genre.name for genre in summary.genres] == ["War", "Dense", "Sparse"]
    names = [label.name for label in summary.labels]
    assert names == ["Bias", "Teacher", "Scratch", "TD k=1", "TD k=2", "own"]


def test_means_cover_complete_genres_only():
    rows = [row for row in make_study() if (row["genre"], row["label"]) != ("Genre-1", "FD")]
    summary = report.summarise(rows)
    assert summary.complete == ("Genre-0", "Genre-2")
    cells = [summary.genres[i].cells["LD"].rmse for i in (0, 2)]
    assert summary.totals["LD"].rmse == pytest.approx(np.mean(cells))
    assert summary.totals["LD"].genres == 3 and summary.totals["FD"].genres == 2


@pytest.mark.parametrize("rmse", [None, math.nan, math.inf])
def test_a_diverged_run_is_shown_and_never_best(rmse):
    rows = [make_row(seed=0), make_row(seed=1)]
    rows += [make_row(label="LD", seed=0, rmse=0.5), make_row(label="LD", seed=1)]
    rows[-1]["rmse"] = rmse
    summary = report.summarise(rows)
    cell = summary.genres[0].cells["LD"]
    assert not cell.best and cell.improvement is None and cell.verdict is None
    assert summary.totals["LD"].diverged == 1 and summary.complete == ()
    markdown, html = pages(rows)
    assert "diverged in 1 of 1 genre" in markdown and "diverged" in html and "nan" not in markdown


def test_costs_are_medians_over_runs():
    rows = [make_row(seed=seed, latency_ms=latency) for seed, latency in enumerate((1, 2, 9, None))]
    cost = report.summarise(rows).costs["Scratch"]
    assert cost.latency_ms == 2 and cost.params == 61234


def test_a_run_that_was_repeated_counts_once_and_the_later_one_counts():
    rows = [make_row(rmse=2.0), make_row(rmse=1.0)]
    cell = report.summarise(rows).genres[0].cells["Scratch"]
    assert (cell.n, cell.rmse) == (1, 1.0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "at least one row. Received: none"),
        ([{"genre": "War"}], r"must have \['label', 'method'.*Received: a row with \['genre'\]"),
        ([make_row(), make_row(seed=1, method="ld")], "stand for one method. Received: label 'Scr"),
        (
            [make_row(), make_row(key="other")],
            "name one run. Received: two different runs of 'War'",
        ),
    ],
)
def test_rows_that_cannot_be_summarised_are_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        report.summarise(rows)


def test_summary_leaves_its_rows_alone():
    rows = make_study(genres=1)
    before = copy.deepcopy(rows)
    pages(rows)
    assert rows == before


# The paper's table


def test_what_is_said_about_the_papers_table_follows_from_it():
    table = {
        method: np.array([rmse for rmse, _ in row]) for method, row in report.PAPER_TABLE_3.items()
    }
    assert set(table) == set(report.METHODS) - {"bias"}
    assert all(row.shape == (8,) for row in table.values())
    others = np.min([table[method] for method in ("ld", "fd", "fitnet", "hybrid")], axis=0)
    assert np.sum(table["td"] < others) == 7
    assert np.sum(table["td"] < table["scratch"]) == 5
    assert "7 of 8 genres and ahead of scratch in 5" in report.PAPER_NOTE


def test_the_papers_line_stands_beside_real_genres_of_known_rank_only():
    def paper(**changes):
        rows = [make_row(**changes), make_row(label="TD k=1", **changes)]
        return report.summarise(rows).genres[0].paper, *pages(rows)

    line, markdown, html = paper()
    assert line["td"] == (1.0485, 0.0013)
    assert (
        "_paper's Genre 8_" in markdown and "_1.0485\u00a0±\u00a00.0013 (+4.13\u00a0%)_" in markdown
    )
    assert "paper’s Genre 8" in html and "not comparable" in html and "not comparable" in markdown
    for changes in ({"density_rank": None}, {"data": {"name": "simulated"}}, {"data": {}}):
        line, markdown, html = paper(**changes)
        assert line is None
        assert "paper's Genre" not in markdown and "paper’s Genre" not in html


# Words and pages


def test_verdicts_count_what_the_tables_show():
    rows = []
    effects = {"Drama": -0.02, "Comedy": 0.02, "War": 0.0001}
    for genre, effect in effects.items():
        rows.append(make_row(genre, "Bias", None, rmse=0.99))
        for seed, noise in enumerate((-0.001, 0.001, 0.0)):
            rows.append(make_row(genre, seed=seed, rmse=1.0))
            rows.append(make_row(genre, "TD k=1", seed, rmse=1.0 + effect + noise))
    said = {label.name: text for label, text in report.verdicts(report.summarise(rows))}
    assert list(said) == ["Scratch", "TD k=1"]
    assert "loses to the bias model in 3 of 3 genres" in said["Scratch"]
    td = said["TD k=1"].replace("\u00a0", " ")
    assert "better than scratch in 1 of 3 genres, worse than scratch in 1" in td
    assert "no difference from scratch shown in 1 (mean improvement +0.00 ± 0.03 %)" in td.replace(
        "−", "+"
    )
    assert "negative transfer in Comedy;" in td
    assert "loses to the bias model in 2 of 3 genres" in td
    assert "best student in 1." in td


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": {"name": "simulated"}}, "Simulated data: these numbers say nothing"),
        ({"data": {"name": "x", "warnings": ["The file is old."]}}, "The file is old."),
        ({"data": {"name": "MovieLens 1M"}}, "different data sets: MovieLens 100K, MovieLens 1M"),
        ({"genre": "Drama"}, "Unfinished study: 2 of 4"),
    ],
)
def test_warnings_come_before_every_claim(changes, message):
    rows = [make_row(), make_row(label="LD", **changes)]
    for page in pages(rows):
        assert page.index(message) < page.index("the student without distillation")
    assert "Warning" not in pages([make_row(), make_row(label="LD")])[0]


def test_missing_methods_are_dashes():
    rows = [
        row for row in make_study(genres=2) if (row["genre"], row["label"]) != ("Genre-1", "LD")
    ]
    markdown, html = pages(rows)
    line = next(line for line in markdown.splitlines() if line.startswith("| Genre-1"))
    header = next(line for line in markdown.splitlines() if line.startswith("| Genre |"))
    cells = [cell.strip() for cell in line.split("|")]
    assert cells[[cell.strip() for cell in header.split("|")].index("LD")] == "–"
    assert "<td>–</td>" in html


def test_rows_of_the_least_content_make_a_report():
    rows = [
        {"genre": "War", "method": m, "label": m, "rmse": 1.0, "n_train": 1, "n_test": 1}
        for m in ("bias", "scratch")
    ]
    markdown, html = pages(rows)
    assert "None" not in markdown and "None" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.S)


def split_cells(line):
    return re.split(r"(?<!\\)\|", line)[1:-1]


@pytest.mark.parametrize("genre", ["Sci-Fi", "a|b", "a\\|b\n| c | d |", "`|`"])
def test_every_line_of_a_markdown_table_has_the_cells_of_its_header(genre):
    rows = make_study(genres=2) + [make_row(genre, label, density_rank=None) for label in LABELS]
    markdown, _ = pages(rows, notes=["a | b"])
    tables = re.findall(r"(?:^\|.*\n)+", markdown, flags=re.M)
    assert len(tables) == 4
    for table in tables:
        lines = table.splitlines()
        assert re.fullmatch(r"\|( -+:? \|)+", lines[1])
        assert len({len(split_cells(line)) for line in lines}) == 1
    assert len(split_cells(tables[0].splitlines()[0])) == 2 + len(LABELS)


def test_text_from_rows_and_command_is_escaped():
    evil = "<script>alert('$x$')</script>"
    rows = [make_row(evil, label, seed) for label in ("Scratch", evil) for seed in (0, 1)]
    for row in rows:
        row["data"] |= {"name": evil, "sha256": evil, "warnings": [evil]}
        row |= {"git": evil, "config": {evil: evil}, "versions": {evil: evil}}
    markdown, html = pages(rows, command=f"run {evil} ``` ````", notes=[evil])
    assert "<script" not in html and html.count("&lt;script&gt;") > 10
    unfenced = re.sub(r"(?ms)^(`{3,})$.*?^\1$", "", markdown)
    assert "<script" not in unfenced and "&lt;script&gt;" in unfenced
    assert f"`````\nrun {evil} ``` ````\n`````\n" in markdown


def test_the_page_needs_nothing_from_the_network():
    _, html = pages(make_study(genres=2))
    assert not re.search(r"<(script|link|img|iframe)\b", html)
    assert not re.search(r'(src|href)="(?!#)', html)
    assert "@import" not in html and "url(" not in re.sub(r"url\(#[^)]*\)", "", html)
    assert "prefers-color-scheme: dark" in html


def test_the_report_says_how_to_reproduce_it():
    rows = make_study(genres=2, labels=("Scratch", "TD k=1"))
    for page in pages(rows, command="python -m tdrec.run --seeds=4", notes=["Run on two cores."]):
        for text in ("python -m tdrec.run --seeds=4", "0, 1, 2, 3", "abc1234", "0.1.0", "ab" * 32):
            assert text in page
        for text in ("1998-03-31 22:11:49 UTC", "71.1 %", "Run on two cores.", "regime", "3.11.7"):
            assert text in page
        assert "student and teacher exchange messages" in page
        assert "over seeds" in page and "FitNet: a projection" not in page


def test_the_same_rows_give_the_same_bytes(tmp_path):
    rows = make_study()
    first = report.write_report(rows, tmp_path / "a", "run", ["note"])
    second = report.write_report(copy.deepcopy(rows), tmp_path / "b", "run", ["note"])
    assert [path.name for path in first] == ["report.md", "report.html"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert not re.search(rb"[ \t]+$", one.read_bytes().replace(b"\n> \n", b""), flags=re.M)


@pytest.mark.parametrize("broken", ["to_markdown", "to_html", "os.replace"])
def test_a_failure_leaves_the_old_report(tmp_path, monkeypatch, broken):
    paths = report.write_report([make_row()], tmp_path, "old")
    old = [path.read_bytes() for path in paths]

    def fail(*args, **kwargs):
        raise RuntimeError("broken")

    monkeypatch.setattr(f"tdrec.report.{broken}", fail)
    with pytest.raises(RuntimeError, match="broken"):
        report.write_report([make_row(label="LD")], tmp_path, "new")
    assert [path.read_bytes() for path in paths] == old
    assert sorted(file.name for file in tmp_path.iterdir()) == ["report.html", "report.md"]


def test_a_large_study_is_reported_within_seconds(tmp_path):
    rows = make_study(genres=8, seeds=5)
    start = time.process_time()
    report.write_report(rows, tmp_path, "run")
    assert time.process_time() - start < 4


@pytest.mark.parametrize("module", ["report", "plots"])
def test_importing_the_module_is_cheap(module):
    tree = ast.parse((Path(report.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert not names & {"matplotlib", "jinja2", "tensorflow", "keras", "tdrec"}
