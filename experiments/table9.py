"""The paper's Table 9: TD without state consistency, and with noise, on images.

    python -m tdrec.study table9 --teacher=ViT-B_32.npz

What it needs is as in table4.py. The paper always keeps the message consistency of ViT, "since
without it encoder and decoder are hard to train". It does not say how strong the noise is.

Source: "Talking Models", arXiv 2310.03188, Table 9 and appendix 6.5.
"""

from tdrec.studies.plan import Arm, Study
from tdrec.tasks.images.config import DATA_SETS

STUDY = Study(
    "Losses and noise on images",
    [
        Arm("scratch"),
        Arm("td"),
        Arm("td", {"state_weight": 0.0}, "TD without L_SC"),
        Arm("td", {"noise": 0.1}, "TD with noise"),
    ],
    tasks=DATA_SETS,
    presets=["b32"],
)
