"""Small, shifted tasks from a teacher of CIFAR-10: what distillation gives with few images.

    python -m tdrec.study small_images --data=cifar10 --steps=80      # on two cores; with --seeds=3
                                                                      # in about ten minutes
    python -m tdrec.study small_images --data=cifar10 --preset=small \\
        --task=cifar10:few,cifar10:living,cifar10:where,cifar10:pets         # on a GPU

The teacher, a ViT of 12 layers, is trained on all of CIFAR-10; a student has its first four. Each
seed draws its own few training images, and is evaluated on all test images of the task. TD is there
alone and, where the teacher has the task's labels, with label distillation added. README.md beside
this file has the cost and the figures last obtained.
"""

from tdrec.studies.plan import PAPER_ARMS, Arm, Study

STUDY = Study(
    "Few images and other labels",
    [*PAPER_ARMS, Arm("td", {"label_weight": 3.0}, "TD + LD")],
    tasks=["cifar10:few", "cifar10:where"],
)
