"""Distils students for segments of rows, or for image tasks, and reports their quality.

Example:

    python -m tdrec.run --genre=Drama --method=td --data=ml-100k.zip
    python -m tdrec.run --segment=NL --method=ld --data=clicks.parquet --target=binary \\
        --columns=user=member,item=offer,target=clicked --segment_column=country
    python -m tdrec.run --task=cifar10 --method=td --preset=tiny
"""

import sys

from tdrec.cli.main import main

if __name__ == "__main__":
    sys.exit(main("run", sys.argv, __doc__))
