"""Low-data curves: students of 5, 10, 25 and 100% of a genre's rows, the teacher of all rows.

    python -m tdrec.study low_data --data=ml-100k.zip

In the strong regime it takes 27 minutes on two cores with `--trials=0 --seeds=3`. Last obtained
there, against scratch: LD +9.07%, +6.56%, +3.02% and +0.36% with 5, 10, 25 and 100% of the rows, TD
+0.25%, +0.36%, +0.04% and -0.09%; where both are tuned (`--method=scratch,ld --trials=20`) LD
+4.79%, +3.84%, +2.08% and +0.36%. README.md beside this file has intervals. The paper's regime was
not run.
"""

from tdrec.config import METHODS
from tdrec.study_plan import Arm, Study

STUDY = Study(
    "Students of few rows",
    [Arm(method) for method in METHODS],
    {f"{percent}% of the rows": {"rows": percent / 100} for percent in (5, 10, 25, 100)},
)
