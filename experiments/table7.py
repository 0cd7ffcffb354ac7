"""The paper's Table 7: TD without the consistency of messages, and without that of states.

    python -m tdrec.study table7 --data=ml-100k.zip

README.md beside this file has the cost on two cores and the figures last obtained.

Source: "Talking Models", arXiv 2310.03188, Table 7.
"""

from tdrec.study_plan import Arm, Study

STUDY = Study(
    "TD without its consistency losses",
    [
        Arm("scratch"),
        Arm("td"),
        Arm("td", {"message_weight": 0.0}, "TD without L_MC"),
        Arm("td", {"state_weight": 0.0}, "TD without L_SC"),
    ],
)
