"""Better students than the paper's: what can be added to TD, beside TD and LD alone.

    python -m tdrec.study better_students --data=ml-100k.zip

README.md beside this file has the cost on two cores and the figures last obtained.
"""

from tdrec.study_plan import Arm, Study

STUDY = Study(
    "Better students than the paper's",
    [
        Arm("scratch"),
        Arm("ld"),
        Arm("td"),
        Arm("td", {"label_weight": 1.0}, "TD + LD"),
    ],
)
