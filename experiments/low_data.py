"""Low-data curves: students of 5, 10, 25 and 100% of a genre's rows, the teacher of all rows.

    python -m tdrec.study low_data --data=ml-100k.zip

It takes 27 minutes in the strong regime with `--trials=0 --seeds=3`, 18 in the paper's with
`--seeds=2`, on two cores. Last obtained, against scratch, with 5, 10, 25 and 100% of the rows:
strong, LD +9.07%, +6.56%, +3.02% and +0.36%, TD +0.25%, +0.36%, +0.04% and -0.09%, and where both
are tuned (`--method=scratch,ld --trials=20`) LD +4.79%, +3.84%, +2.08% and +0.36%; paper, LD
+15.08%, +10.77%, +4.80% and +0.08%, TD -0.87%, +0.19%, -0.59% and 0.00%. README.md beside this file
has intervals.
"""

from tdrec.studies.plan import ALL_ARMS, Study

STUDY = Study(
    "Students of few rows",
    ALL_ARMS,
    {f"{percent}% of the rows": {"rows": percent / 100} for percent in (5, 10, 25, 100)},
)
