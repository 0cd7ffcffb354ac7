"""The paper's Table 4: all methods on CIFAR-10, CIFAR-100 and ImageNet, from ViT-B/32.

    python -m tdrec.study table4 --teacher=ViT-B_32.npz

Needs the three data sets of TensorFlow Datasets, published weights of ImageNet-21k and a GPU; one
of them alone: `--task=cifar10`, and from a folder of TFRecords `--data=FOLDER`. README.md beside
this file says what was run.

Source: "Talking Models", arXiv 2310.03188, Table 4 and appendix 6.5.
"""

from tdrec.studies.plan import PAPER_ARMS, Study
from tdrec.tasks.images.config import DATA_SETS

STUDY = Study("All methods on images", PAPER_ARMS, tasks=DATA_SETS, presets=["b32"])
