"""Controls: does what TD gives come from interaction with this teacher, or from something else?

    python -m tdrec.study controls --data=ml-100k.zip

- FD with as many parameters as TD has in its four encoders and decoders: is it their number?
- TD whose decoded states are interpreted by a middle of random weights, or by none: is it what the
  teacher's own layers make of them?
- TD, LD, trusted LD and grading with the teacher's targets shuffled over the rows: is it the
  teacher at all, or would any noise regularise a student as well? Trusted LD is to refuse it.
- Grading by a middle of random weights: is it what the teacher's own layers make of the message?

It takes 16 to 18 minutes a regime on two cores with `--trials=0 --seeds=3`. Last obtained: the RMSE
of TD with a random middle, without one, or with shuffled targets differs by at most 0.0004 from
that of TD in both regimes; LD with shuffled targets loses 0.1. README.md beside this file has
intervals.
"""

from tdrec.studies.plan import Arm, Study

WIDE = 513
"""Hidden units with which FD's two encoders have the parameters of TD's four modules."""

SHUFFLED = {"shuffled_targets": True}

STUDY = Study(
    "Controls: is it the interaction, and is it the teacher?",
    [
        Arm("scratch"),
        Arm("ld"),
        Arm("fd"),
        Arm("td"),
        Arm("fd", {"hidden_dim": WIDE}, "FD as large as TD"),
        Arm("td", label="TD with random middle", changes={"random_interpreter": True}),
        Arm("td", {"interpret": False}, "TD without middle"),
        Arm("td", label="TD of shuffled teacher", changes=SHUFFLED),
        Arm("ld", label="LD of shuffled teacher", changes=SHUFFLED),
        Arm("trusted_ld"),
        Arm("trusted_ld", label="Trusted LD of shuffled teacher", changes=SHUFFLED),
        Arm("grading"),
        Arm("grading", label="Grading with random middle", changes={"random_interpreter": True}),
        Arm("grading", label="Grading of shuffled teacher", changes=SHUFFLED),
    ],
)
