from tdrec.diagnostics.finding import WARN, WIDTH, Finding


def test_a_finding_is_written_with_its_remedy_in_columns():
    finding = Finding("teacher", WARN, "It is " + "very " * 30 + "bad.", "Mend " + "it " * 40)
    lines = str(finding).splitlines()
    assert lines[0].startswith("WARN  teacher    It is very")
    assert all(line.startswith(" " * 17) for line in lines[1:])
    assert max(map(len, lines)) <= 17 + WIDTH
    words = " ".join(line[17:].strip() for line in lines).split()
    assert words == f"{finding.text} -> {finding.remedy}".split()
