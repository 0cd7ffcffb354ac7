"""The shift study: what each method gives, or costs, where the teacher does not fit the genre.

    python -m tdrec.study shift --data=ml-100k.zip

The good teacher beside one that never saw the genre's rows, one that was stopped after a fraction
of its training, and one that learned from noisy ratings. README.md beside this file has the cost on
two cores and the figures last obtained.
"""

from tdrec.config import METHODS
from tdrec.study_plan import Arm, Study

STUDY = Study(
    "Teachers that do not fit",
    [Arm(method) for method in METHODS],
    {
        "good teacher": {},
        "teacher without the genre's rows": {"teacher_rows": "other genres"},
        "under-trained teacher": {"teacher_epochs": 1, "teacher_learning_rate": 1e-4},
        "teacher of noisy ratings": {"teacher_noise": 1.0},
    },
)
