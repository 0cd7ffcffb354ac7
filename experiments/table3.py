"""The paper's Table 3: all methods on the eight densest genres of MovieLens 100K.

    python -m tdrec.study table3 --data=ml-100k.zip

Six methods, each tuned on each genre with 20 trials on validation rows, five seeds, both regimes.
README.md beside this file has the cost on two cores and the figures last obtained.

Source: "Talking Models", arXiv 2310.03188, Table 3; its Table 1 has the means over genres.
"""

from tdrec.config import METHODS
from tdrec.study_plan import Arm, Study

STUDY = Study("All methods on the eight densest genres", [Arm(method) for method in METHODS])
