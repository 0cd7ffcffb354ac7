"""The shift study: what each method gives, or costs, where the teacher does not fit the genre.

    python -m tdrec.study shift --data=ml-100k.zip

The good teacher beside one that never saw the genre's rows, one that was stopped after a fraction
of its training, and one that learned from noisy ratings. On two cores it takes 33 minutes in the
strong regime with `--trials=1 --seeds=3`, 35 in the paper's with `--seeds=2`. Last obtained with
the teacher that never saw the genre, against scratch: strong, LD -9.67%, Hybrid -0.52%, TD +0.07%
(no difference shown); paper, LD -10.00%, Hybrid -0.63%, TD -0.03% (no difference shown). README.md
beside this file has intervals.
"""

from tdrec.studies.plan import ALL_ARMS, Study

STUDY = Study(
    "Teachers that do not fit",
    ALL_ARMS,
    {
        "good teacher": {},
        "teacher without the genre's rows": {"teacher": {"rows": "other segments"}},
        "under-trained teacher": {"teacher": {"epochs": 1, "learning_rate": 1e-4}},
        "teacher of noisy ratings": {"teacher": {"noise": 1.0}},
    },
)
