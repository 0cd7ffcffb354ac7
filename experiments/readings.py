"""Other readings of the paper: students without early stopping, terms that outweigh the ratings.

    python -m tdrec.study readings --data=ml-100k.zip --regimes=paper --trials=0

The paper's RMSEs are high, and where it says how long its students train it is more than a thousand
steps. Here all train for 800, where the default is 240: does TD keep a student from learning its
rows by heart? TD with large weights stands beside TD with the defaults, without a round of
interaction, and with later rounds compared with the student's first state, where Algorithm 1 has
the replaced one. It takes 25 minutes on two cores for five genres and two seeds. Last obtained,
against scratch: LD +4.71%, TD +0.14% with the defaults and +0.52% to +1.22% with large weights.
README.md beside this file has intervals.

Source: "Talking Models", arXiv 2310.03188, Algorithm 1 and the appendix on its ablations.
"""

from tdrec.studies.plan import PAPER_ARMS, Arm, Study


def _weights(interaction: float, consistency: float) -> dict[str, float]:
    return {
        "interaction_weight": interaction,
        "message_weight": consistency,
        "state_weight": consistency,
    }


STUDY = Study(
    "Other readings of the paper",
    [
        *PAPER_ARMS,
        Arm("td", _weights(50.0, 5.0), "TD weights 50/5/5"),
        Arm("td", _weights(10.0, 30.0), "TD weights 10/30/30"),
        Arm("td", {"rounds": 0, **_weights(10.0, 30.0)}, "TD k=0 weights 30/30"),
        Arm("td", {"target": "original", **_weights(10.0, 30.0)}, "TD original 10/30/30"),
    ],
    {"800 steps": {"steps": 800}},
)
