"""Says which commands there are."""

import tdrec

print(
    f"""tdrec {tdrec.__version__}: distil a large recommender into small students.

  python -m tdrec.run       students of segments or image tasks, and a report
  python -m tdrec.study     a study of experiments/, or of a file of your own
  python -m tdrec.doctor    whether distilling a segment's student can help
  python -m tdrec.describe  what is in a table of your own, and a file that says so

--help says more of each."""
)
