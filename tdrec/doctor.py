"""Says before training whether distilling a genre's student can help, and what is wrong.

It works on training rows alone: the latest fifth of them takes the place of the evaluation rows,
and teacher and students are trained without it. Teacher, scratch and method are compared there over
several seeds, by the rule of all reports: what is not shown is no OK.

Example:

    python -m tdrec.doctor --genre=Drama --method=td --data=ml-100k.zip
"""

import sys

from tdrec.cli.doctor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv, __doc__))
