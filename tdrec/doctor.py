"""Says before training whether distilling a genre's student can help, and what is wrong.

It works on training rows alone: the latest tenth of them takes the place of the evaluation rows,
and teacher and students are trained without it.

Example:

    python -m tdrec.doctor --genre=Drama --method=td --data=ml-100k.zip
"""

import sys

from tdrec.cli.doctor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv, __doc__))
