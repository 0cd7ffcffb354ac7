"""Runs a study, one of `experiments/` or a file of one's own, and reports what it shows.

Example:

    python -m tdrec.study table3 --data=ml-100k.zip
"""

import sys

from tdrec.cli.main import main

if __name__ == "__main__":
    sys.exit(main("study", sys.argv, __doc__))
