"""The next movie of a genre, by transformers: what a teacher with a middle that knows passes on.

    python -m tdrec.study next_movie --data=ml-100k.zip --genre=War --preset=few --seeds=3

The teacher reads a user's history of all genres by four blocks, students of one genre by one. LD,
the methods that compare states and TD stand beside LD and grading on histories that nobody has,
where the teacher alone can say what comes next, and grading that asks of mixed states; and each
beside its controls: a teacher without its blocks, blocks of random weights, and targets of other
histories.
"""

from tdrec.studies.plan import Arm, Study

MIXED, BARE = {"mixed": 2}, {"without_blocks": True}
RANDOM, SHUFFLED = {"random_interpreter": True}, {"shuffled_targets": True}

STUDY = Study(
    "The next movie of a genre",
    [
        *(Arm(method) for method in ("scratch", "ld", "fd", "fitnet", "td", "grading")),
        Arm("ld", label="LD, no blocks", changes=BARE),
        Arm("ld", label="LD of shuffled teacher", changes=SHUFFLED),
        Arm("ld", label="LD and mixed", changes=MIXED),
        Arm("ld", label="LD and mixed, no blocks", changes={**MIXED, **BARE}),
        Arm("grading", label="Grading, random middle", changes=RANDOM),
        Arm("grading", label="Grading of shuffled teacher", changes=SHUFFLED),
        Arm("grading", label="Grading and mixed", changes=MIXED),
        Arm("grading", label="Grading and mixed, random middle", changes={**MIXED, **RANDOM}),
        Arm("grading", {"ask_weight": 1.0}, "Grading and asking"),
        Arm("grading", {"ask_weight": 1.0}, "Grading and asking, random middle", RANDOM),
    ],
    tasks=["next_movie"],
    presets=["few"],
)
