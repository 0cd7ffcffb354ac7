"""Distils students for segments of rows, or for image tasks, and reports their quality.

Example:

    python -m tdrec.run --genre=Drama --method=td --data=ml-100k.zip
    python -m tdrec.run --segment=top8 --method=ld,td --data=mine.toml
    python -m tdrec.run --task=cifar10 --method=td --preset=tiny
"""

import sys

from tdrec.cli.main import main

if __name__ == "__main__":
    sys.exit(main("run", sys.argv, __doc__))
