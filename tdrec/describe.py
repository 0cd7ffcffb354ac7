"""Says what is in a table of your own, and writes a TOML file that says what its columns mean.

Example:

    python -m tdrec.describe ratings.csv --items=items.csv --out=mine.toml
    python -m tdrec.run --data=mine.toml --segment=top8 --method=ld,td
"""

import sys

from tdrec.cli.describe import main

if __name__ == "__main__":
    sys.exit(main(sys.argv, __doc__))
