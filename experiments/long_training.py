"""Students without early stopping: does TD keep one from learning its training rows by heart?

    python -m tdrec.study long_training --data=ml-100k.zip --regimes=paper --trials=0

The paper's RMSEs are high, and it trains students for more than a thousand steps where it says how
many. Here all train for 800, where the default is 240. TD with weights so large that its terms
outweigh the ratings stands beside TD with the defaults, and without a round of interaction.
README.md beside this file has the cost on two cores and the figures last obtained.
"""

from tdrec.config import METHODS
from tdrec.study_plan import Arm, Study


def _weights(interaction: float, consistency: float) -> dict[str, float]:
    return {
        "interaction_weight": interaction,
        "message_weight": consistency,
        "state_weight": consistency,
    }


STUDY = Study(
    "Students that are trained for long",
    [
        *(Arm(method) for method in METHODS),
        Arm("td", _weights(10.0, 30.0), "TD weights 10/30/30"),
        Arm("td", {"rounds": 0, **_weights(10.0, 30.0)}, "TD k=0 weights 30/30"),
        Arm("td", _weights(50.0, 5.0), "TD weights 50/5/5"),
    ],
    {"800 steps": {"steps": 800}},
)
