"""The paper's Table 3: all methods on the eight densest genres of MovieLens 100K.

    python -m tdrec.study table3 --data=ml-100k.zip

Six methods, each tuned on each genre with 20 trials on validation rows, five seeds, both regimes.
It takes 34 minutes in the strong regime and 38 in the paper's on two cores. Last obtained, in the
mean over genres against scratch: strong, LD +0.43%, Hybrid +0.26%, TD -0.04% (no difference shown);
paper, Hybrid +0.41%, TD -0.16% (no difference shown). README.md beside this file has intervals.

Source: "Talking Models", arXiv 2310.03188, Table 3; its Table 1 has the means over genres.
"""

from tdrec.studies.plan import PAPER_ARMS, Study

STUDY = Study("All methods on the eight densest genres", PAPER_ARMS)
