"""Low-data curves: students of 5, 10, 25 and 100% of a genre's rows, the teacher of all rows.

    python -m tdrec.study low_data --data=ml-100k.zip

README.md beside this file has the cost on two cores and the figures last obtained.
"""

from tdrec.config import METHODS
from tdrec.study_plan import Arm, Study

STUDY = Study(
    "Students of few rows",
    [Arm(method) for method in METHODS],
    {f"{percent}% of the rows": {"rows": percent / 100} for percent in (5, 10, 25, 100)},
)
