"""All methods on the eight densest genres of MovieLens 100K: the paper's Table 3.

    python experiments/all_methods.py --data=ml-100k.zip

The same as `python -m tdrec.run --genre=top8 --method=all`, to `results/all_methods`. README.md
beside this file has the cost on two cores and the figures last obtained.

Source: "Talking Models", arXiv 2310.03188, Table 3.
"""

import sys

from tdrec import run

ARGUMENTS = ["--genre=top8", "--method=all", "--out=results/all_methods"]

if __name__ == "__main__":
    sys.exit(run.main([sys.argv[0], *ARGUMENTS, *sys.argv[1:]]))
