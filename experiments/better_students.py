"""Better students than the paper's: a better teacher, unrated pairs, and labels added to TD.

    python -m tdrec.study better_students --data=ml-100k.zip

In the strong regime it takes 14 minutes on two cores with `--trials=0 --seeds=3`. Last obtained,
against scratch: strong, LD with unrated pairs +0.41%, TD with LD +0.29%; paper, TD with LD +0.55%,
LD +0.32% (no difference shown). README.md beside this file has intervals.
"""

from tdrec.studies.plan import Arm, Study

UNRATED = {"unrated": 1.0}

STUDY = Study(
    "Better students than the paper's",
    [
        Arm("scratch"),
        Arm("ld"),
        Arm("ld", label="LD of four teachers", changes={"teacher": {"members": 4}}),
        Arm("ld", label="LD + unrated", changes=UNRATED),
        Arm("td"),
        Arm("td", {"label_weight": 1.0}, "TD + LD"),
        Arm("td", {"label_weight": 1.0}, "TD + LD + unrated", UNRATED),
    ],
)
