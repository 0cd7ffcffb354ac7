"""What a forecast says before one distils: no OK but of what is shown."""

import pytest

from tdrec.cli.prognosis import check_gain, check_gap
from tdrec.diagnostics.finding import FAIL, OK, WARN
from tdrec.report.forecast import Forecast
from tdrec.studies.comparison import Comparison, Estimate
from tdrec.studies.metric import RMSE

DIFFERENCES = {
    "better": Estimate(-0.012, -0.02, -0.004),
    "worse": Estimate(0.012, 0.004, 0.02),
    "unclear": Estimate(-0.012, -0.03, 0.006),
    "one seed": Estimate(-0.012),
}
SHARE = Estimate(0.4, 0.1, 0.7)


def compared(label, verdict):
    found = DIFFERENCES[verdict]
    improvement = found.times(-100)
    return Comparison("War", label, "Scratch", found, improvement, verdict, seeds=3)


def of(gap, gain):
    share = SHARE if gap == "better" else None
    both = [
        None if verdict is None else compared(label, verdict)
        for label, verdict in (("Teacher", gap), ("LD", gain))
    ]
    return Forecast("War", "LD", *both, share)


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("verdict", DIFFERENCES)
def test_the_teacher(verdict, reads):
    finding = check_gap(of(verdict, "unclear"), RMSE, reads, "On 900 rows.")
    worse = FAIL if reads else WARN
    expected = {"better": OK, "worse": worse, "unclear": WARN, "one seed": WARN}[verdict]
    assert (finding.check, finding.status) == ("teacher", expected)
    assert (finding.remedy is None) == (expected == OK)
    says = {
        "better": "Teacher is better than Scratch on War by 0.0120 (95% interval 0.0040 to 0.0200)",
        "worse": "Teacher is worse than Scratch on War by 0.0120 (95% interval 0.0040 to 0.0200)",
        "unclear": "No difference between Teacher and Scratch is shown on War",
        "one seed": "one seed: no verdict",
    }
    assert says[verdict] in finding.text and finding.text.endswith("On 900 rows.")
    assert finding.figures["difference"]["value"] == DIFFERENCES[verdict].value
    assert finding.figures["metric"] == "rmse"


@pytest.mark.parametrize("gap", ["better", "unclear"])
@pytest.mark.parametrize("verdict", DIFFERENCES)
def test_the_method(verdict, gap):
    finding = check_gain(of(gap, verdict), RMSE, "On 900 rows.")
    expected = {"better": OK, "worse": FAIL, "unclear": WARN, "one seed": WARN}[verdict]
    assert (finding.check, finding.status) == ("gain", expected)
    if gap == "better":
        assert "Foretold share of the gap to the teacher: 40\u00a0%" in finding.text
        assert finding.figures["share_of_gap"] == {"value": 0.4, "low": 0.1, "high": 0.7}
    else:
        assert "no share of it is foretold" in finding.text
        assert finding.figures["share_of_gap"] is None


def test_what_diverged_is_not_compared():
    for finding in (
        check_gap(of(None, None), RMSE, True, ""),
        check_gain(of(None, None), RMSE, ""),
    ):
        assert finding.status == FAIL and "a run diverged" in finding.text
