"""The paper's Table 7: TD without the consistency of messages, and without that of states.

    python -m tdrec.study table7 --data=ml-100k.zip

It takes 10 minutes on two cores with `--trials=0 --seeds=3`. Last obtained: nothing is shown to
differ from scratch, -0.13% to +0.03% in the paper's regime and -0.09% to -0.02% in the strong one.
README.md beside this file has intervals.

Source: "Talking Models", arXiv 2310.03188, Table 7.
"""

from tdrec.studies.plan import Arm, Study

STUDY = Study(
    "TD without its consistency losses",
    [
        Arm("scratch"),
        Arm("td"),
        Arm("td", {"message_weight": 0.0}, "TD without L_MC"),
        Arm("td", {"state_weight": 0.0}, "TD without L_SC"),
    ],
)
