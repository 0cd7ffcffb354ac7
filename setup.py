"""Packaging of tdrec; the tools' settings are in `pyproject.toml`."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
README = HERE / "README.md"
VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (HERE / "tdrec" / "__init__.py").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)
assert VERSION, "tdrec/__init__.py must define __version__"

# What `tdrec.export_student` needs to write ONNX and LiteRT, and to run what it wrote.
EXPORT = ["ai-edge-litert", "onnx", "onnxruntime", "tf2onnx"]

# What the recommenders of `examples/` are built with.
EXAMPLES = ["keras-rs"]
# What `tdrec.models.vit` is made of and reads published weights with.
IMAGES = ["keras-hub", "safetensors"]
# What `tdrec.study` tunes with.
STUDY = ["optuna"]
# What `--cluster` runs on.
CLUSTER = ["distributed"]

setup(
    name="tdrec",
    version=VERSION[1],
    description="Distil a large pre-trained recommender into small students",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    author="The tdrec authors",
    license="Apache-2.0",
    packages=find_packages(include=["tdrec", "tdrec.*"]),
    package_data={"tdrec": ["py.typed", "report/*.html"]},
    python_requires=">=3.11",
    install_requires=[
        "Jinja2",
        "absl-py",
        "filelock",
        "importlib_resources",  # TensorFlow Datasets 4.9.10 needs it and does not say so
        "keras>=3.15.1",
        "matplotlib",
        "numpy",
        "pandas",
        "pyarrow",
        "pydantic>=2",
        "scipy",
        "tensorflow>=2.21",
        "tensorflow-datasets>=4.9.10",
        "tensorflow-recommenders>=0.7.7",
        "tqdm",
    ],
    extras_require={
        "cluster": CLUSTER,
        "examples": EXAMPLES,
        "export": EXPORT,
        "images": IMAGES,
        "parity": ["torch", "transformers"],  # whose hidden states a test compares with
        "study": STUDY,
        "test": [
            *EXAMPLES,
            *EXPORT,
            *IMAGES,
            *STUDY,
            *CLUSTER,
            "hypothesis",
            "jax",
            "mypy",
            "pdoc",
            "psutil",
            "pytest",
            "pytest-cov",
            "pytest-timeout",
            "pytest-xdist",
            "ruff",
            "tensorboard",
        ],
    },
)
