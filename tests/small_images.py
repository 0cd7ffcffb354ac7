"""A few images as a folder of TFRecords."""

import numpy as np
import tensorflow as tf

SIZE = 8


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
