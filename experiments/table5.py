"""The paper's Tables 2 and 5: no interaction, and one, two and three rounds of it.

    python -m tdrec.study table5 --data=ml-100k.zip

README.md beside this file has the cost on two cores and the figures last obtained.

Source: "Talking Models", arXiv 2310.03188, Tables 2 and 5.
"""

from tdrec.study_plan import Arm, Study

STUDY = Study(
    "Rounds of communication",
    [Arm("scratch"), *(Arm("td", {"rounds": rounds}) for rounds in range(4))],
)
