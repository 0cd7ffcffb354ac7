"""The paper's Table 6: rounds of communication on CIFAR-10, CIFAR-100 and ImageNet.

    python -m tdrec.study table6 --teacher=ViT-B_32.npz

What it needs is as in table4.py.

Source: "Talking Models", arXiv 2310.03188, Table 6 and appendix 6.5.
"""

from tdrec.studies.plan import Arm, Study
from tdrec.tasks.images.config import DATA_SETS

STUDY = Study(
    "Rounds of communication on images",
    [Arm("scratch"), *(Arm("td", {"rounds": k}) for k in range(3))],
    tasks=DATA_SETS,
    presets=["b32"],
)
