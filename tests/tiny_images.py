"""A few images as a folder of TFRecords, and small models of them."""

from dataclasses import replace

import numpy as np
import tensorflow as tf

from tdrec.tasks.images.config import PRESETS
from untraced import untraced

SIZE = 8
SMALL = replace(
    PRESETS["tiny"],
    image_size=SIZE,
    teacher=replace(
        PRESETS["tiny"].teacher,
        vit={"patch_size": 4, "num_layers": 3, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 12},
        batch_size=20,
        steps=2,
    ),
    cuts={"teacher": (1, 3), "student": (1, 2)},
    message_dim=6,
    hidden_dim=5,
    # A step of fewer operations, of which TensorFlow makes its graph sooner.
    optimizer="sgd",
    methods={"td": {"rounds": 1}},
    batch_size=10,
    steps=20,
)
TRAIN = [*range(10)] * 60 + [3, 5] * 100
"""Labels: 50 images of a class, 150 of cats and dogs, as the tasks of CIFAR-10 need."""
TEST = [*range(10)] * 6


def pictures(number, size=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (number, size, size, 3), np.uint8)


def write(path, images, labels):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for image, label in zip(images, labels, strict=True):
            content = tf.io.encode_png(image).numpy()
            features = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[content])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def train_teacher(task, cache):
    """Puts the teacher of `SMALL` there: its two steps end before one would be traced."""
    with untraced():
        task.open(cache).teacher_model(task, SMALL)


def write_folder(folder, test_seed=1, test_labels=TEST):
    """Writes images of CIFAR-10's classes, which have nothing to do with their labels."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "train.tfrecord", pictures(len(TRAIN)), TRAIN)
    write(folder / "test.tfrecord", pictures(len(test_labels), seed=test_seed), test_labels)
    return folder
