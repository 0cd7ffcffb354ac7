import csv
import io

import pytest

from result_rows import make_study_rows
from tdrec import study_report
from tdrec.study_auto import autos, choices, sentence, validation_rmse
from tdrec.study_summary import summarise_study

LABELS = ("Bias", "Teacher", "Scratch", "LD", "TD k=2")
VALIDATION = {
    "Drama": {"Scratch": 0.97, "LD": 0.96, "TD k=2": 0.98},
    "Comedy": {"Scratch": 0.95, "LD": 0.96, "TD k=2": 0.99},
    "Action": {"Scratch": 0.99, "LD": 0.98, "TD k=2": 0.97},
}


def errors(rmse):
    """Of users with one row each, who differ a little, and all methods for them alike."""
    squared = [rmse**2 * (0.9 + 0.01 * i) for i in range(21)]
    return {"ids": list(range(21)), "rows": [1] * 21, "squared_error": squared}


def rows_of(validation=VALIDATION, **changes):
    rows = make_study_rows(LABELS, **{"genres": 3, "seeds": 2, "users": 40} | changes)
    for row in rows:
        if row["label"] in validation[row["genre"]]:
            chosen = validation[row["genre"]][row["label"]]
            row["validation"] = {"rmse": chosen, "by_user": errors(chosen)}
    return rows


def mean_rmse(rows, genre, label):
    found = [r["rmse"] for r in rows if (r["genre"], r["label"]) == (genre, label)]
    return sum(found) / len(found)


def test_the_lowest_on_validation_rows_is_chosen_whatever_the_evaluation_says():
    rows = rows_of()
    (section,) = summarise_study(rows).sections
    found = {choice.genre: choice for choice in choices(section)}
    expected = {"Drama": "LD", "Comedy": "Scratch", "Action": "TD k=2"}
    assert {genre: choice.label for genre, choice in found.items()} == expected
    for genre, choice in found.items():
        rmse = {label: mean_rmse(rows, genre, label) for label in ("Scratch", "LD", "TD k=2")}
        best = min(rmse, key=rmse.get)
        assert choice.validation_rmse == VALIDATION[genre][choice.label]
        assert choice.rmse == pytest.approx(rmse[choice.label], rel=1e-9)
        assert choice.difference == pytest.approx(rmse[choice.label] - rmse["Scratch"], abs=1e-12)
        assert choice.best == best
        assert choice.regret == pytest.approx(rmse[choice.label] - rmse[best], abs=1e-12)
    assert found["Comedy"].difference == 0
    # Evaluation figures have no say.
    for row in rows:
        if row["label"] == "LD":
            row["rmse"] *= 2
            row["by_user"]["squared_error"] = [4 * x for x in row["by_user"]["squared_error"]]
    (section,) = summarise_study(rows).sections
    assert {choice.genre: choice.label for choice in choices(section)} == expected


def test_scratch_is_chosen_where_nothing_is_shown_to_be_better():
    rows = rows_of({**VALIDATION, "Action": {"Scratch": 1.0, "LD": 1.1, "TD k=2": 0.97}})
    for row in rows:
        if (row["genre"], row["label"]) == ("Action", "TD k=2"):
            # the lowest by far, by what it does for one user
            row["validation"]["by_user"]["squared_error"] = [0.0] + [1.0] * 20
    (section,) = summarise_study(rows).sections
    found = {choice.genre: choice for choice in choices(section)}
    assert found["Drama"].label == "LD"
    assert found["Action"].label == "Scratch"
    assert found["Action"].validation_rmse == 1.0
    assert found["Action"].difference == 0


def test_genres_where_a_student_was_not_tuned_or_has_no_result_are_left_out():
    lacking = {**VALIDATION, "Drama": {"Scratch": 0.9, "LD": 0.8}}
    rows = [r for r in rows_of(lacking) if (r["genre"], r["label"]) != ("Comedy", "LD")]
    (section,) = summarise_study(rows).sections
    assert [choice.genre for choice in choices(section)] == ["Action"]
    assert validation_rmse(section, "Drama", "TD k=2") is None
    for row in rows:
        if (row["genre"], row["label"]) == ("Action", "TD k=2"):
            row |= {"rmse": None, "by_user": None}
    assert not autos(summarise_study(rows).sections)


def test_the_sentence_names_the_mean_and_the_worst():
    rows = rows_of()
    (auto,) = autos(summarise_study(rows).sections)
    assert auto.mean_difference == pytest.approx(sum(c.difference for c in auto.choices) / 3)
    assert auto.mean_regret == pytest.approx(sum(c.regret for c in auto.choices) / 3)
    assert auto.worst.difference == max(c.difference for c in auto.choices)
    assert auto.most_regretted.regret == max(c.regret for c in auto.choices)
    text = sentence(auto)
    side = "higher" if auto.mean_difference > 0 else "lower"
    assert f"auto is {abs(auto.mean_difference):.4f} {side} than scratch in the mean over 3" in text
    assert f"at most {auto.most_regretted.regret:.4f} ({auto.most_regretted.genre})" in text
    scratch_only = {genre: {**of, "Scratch": 0.5} for genre, of in VALIDATION.items()}
    (auto,) = autos(summarise_study(rows_of(scratch_only)).sections)
    assert (
        "to four decimals that of scratch in the mean over 3 genres, worse in no genre"
        in sentence(auto)
    )


def test_the_report_shows_every_choice():
    about = {"command": "c", "title": "t"}
    rows = rows_of(regime="paper") + rows_of(setting="teacher of noisy ratings")
    study = summarise_study(rows)
    markdown = study_report.to_markdown(study, **about)
    html = study_report.to_html(study, **about)
    for page in (markdown, html):
        assert "The method chosen by validation" in page
        for auto in autos(study.sections):
            assert sentence(auto).split(": the RMSE")[1][:60] in page
    table = markdown[markdown.index("## The method chosen by validation") :].splitlines()
    lines = [line for line in table if line.startswith("| Paper regime | Drama |")]
    (choice, *_) = choices(study.sections[0])
    assert choice.label == "LD"
    assert lines[0].split(" | ")[2:4] == ["LD", f"{choice.rmse:.4f}"]
    chosen = [
        (line["regime"], line["genre"], line["label"], line["validation_rmse"])
        for line in csv.DictReader(io.StringIO(study_report.to_csv(study)))
        if line["auto"] == "chosen"
    ]
    expected = [
        ("Drama", "LD", "0.96"),
        ("Comedy", "Scratch", "0.95"),
        ("Action", "TD k=2", "0.97"),
    ]
    assert chosen == [(r, *each) for r in ("paper", "strong") for each in expected]


def test_a_study_without_tuning_has_no_such_table():
    study = summarise_study(make_study_rows(LABELS, genres=2, seeds=2, users=40))
    assert "chosen by validation" not in study_report.to_markdown(study, command="c", title="t")
