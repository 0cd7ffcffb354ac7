import subprocess
import sys
from pathlib import Path

import tdrec.data


def test_the_public_names_are_there():
    for name in tdrec.data.__all__:
        assert getattr(tdrec.data, name).__doc__


def test_importing_and_looking_for_prepared_data_load_no_framework():
    # `tdrec` itself may import Keras, so it is replaced by an empty package.
    root = Path(tdrec.data.__file__).parents[2]
    code = (
        "import sys, types; package = types.ModuleType('tdrec'); package.__path__ = ['tdrec']; "
        "sys.modules['tdrec'] = package; import tdrec.data; "
        "from tdrec.data import movielens_tfds; movielens_tfds.missing_packages(); "
        "movielens_tfds.is_prepared('100k-ratings'); "
        "heavy = {'tensorflow', 'tensorflow_datasets', 'keras', 'pandas'} & set(sys.modules); "
        "print(*sorted(heavy))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("", "")
