"""The paper's Table 8: noise on what the teacher interprets, and E and D trained on their own.

    python -m tdrec.study table8 --data=ml-100k.zip

The paper gives no size of its "small Gaussian noise"; here it has a standard deviation of 0.1. To
train encoders and decoders separately, the student learns alone for 1000 steps, then they alone for
500 or 1000, then everything for the tuned number of steps. It takes 16 to 19 minutes a regime on
two cores with `--trials=0 --seeds=2`. Last obtained, against scratch: paper, noise -0.07% (no
difference shown), a ramp-up -5.35%; strong, -0.03% (no difference shown) and -1.61% to -1.68%.
README.md beside this file has intervals.

Source: "Talking Models", arXiv 2310.03188, Table 8 and the appendix on its ablations.
"""

from tdrec.studies.plan import Arm, Study

STUDY = Study(
    "Noise, and encoders and decoders trained separately",
    [
        Arm("scratch"),
        Arm("td"),
        Arm("td", {"noise": 0.1}, "TD with noise"),
        Arm("td", label="TD after ramp-up 500", changes={"ramp_up": (1000, 500)}),
        Arm("td", label="TD after ramp-up 1000", changes={"ramp_up": (1000, 1000)}),
    ],
)
