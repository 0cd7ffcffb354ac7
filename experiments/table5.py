"""The paper's Tables 2 and 5: no interaction, and one, two and three rounds of it.

    python -m tdrec.study table5 --data=ml-100k.zip

It takes 13 minutes on two cores with `--trials=0 --seeds=3`. Last obtained: no number of rounds is
shown to differ from scratch, -0.13% to -0.06% in the paper's regime and -0.09% to -0.04% in the
strong one. README.md beside this file has intervals.

Source: "Talking Models", arXiv 2310.03188, Tables 2 and 5.
"""

from tdrec.studies.plan import Arm, Study

STUDY = Study(
    "Rounds of communication",
    [Arm("scratch"), *(Arm("td", {"rounds": rounds}) for rounds in range(4))],
)
