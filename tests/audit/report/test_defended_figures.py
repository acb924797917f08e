"""What defenses answered, as shares and sentences, from counts made by hand."""

import copy

from audit.report import documents
from audit.report.hand_counts import assert_share

from deid.audit.report.defended_figures import QUESTION, defended_lines
from deid.audit.report.document import assemble, differences, shared_part


def test_shares_of_the_attack_have_their_intervals() -> None:
    figures = documents.defended()["sets"][0]["figures"]["recognizers"]["net"]["defenses"]["jpeg"]
    for name, n in (("success", 5), ("failed", 40), ("detected", 5)):
        assert_share(figures["this photo"]["published"][name], n, 50)
    assert_share(figures["this photo"]["clean"]["detected"], 1, 50)
    assert figures["this photo"]["baseline"] == 1 / 1001
    assert figures["this photo"]["recovers"]
    assert not figures["another photo"]["recovers"]


def test_one_of_a_few_named_as_a_guess_would_is_not_recovered() -> None:
    document = documents.defended()
    counts = document["sets"][0]["counts"]["recognizers"]["net"]["defenses"]["jpeg"]["this photo"]
    for failed, recovers in ((6, False), (13, True)):
        counts |= {"identities": 12, "published": documents.outcomes(success=50 - failed, failed=failed)}
        sets = [{key: part[key] for key in ("label", "counts", "files")} for part in document["sets"]]
        again = assemble(document["configuration"], document["recognizers"], sets, document["made"])
        figures = again["sets"][0]["figures"]["recognizers"]["net"]["defenses"]["jpeg"]["this photo"]
        assert figures["recovers"] == recovers


def test_who_would_learn_what_is_told_first_and_in_one_sentence() -> None:
    first, second = (part["first_screen"][0] for part in documents.defended()["sets"])
    assert first["question"] == second["question"] == QUESTION
    assert first["answer"] == (
        "No: an adversary who runs them would learn who is on "
        "80.0\u00a0% (66.3–90.0, N\u00a0=\u00a050) of the faces "
        "(jpeg before net (independent), this photo known; 0.0\u00a0% without it), and takes 10.0\u00a0% for an "
        "attack, of the clean originals 2.0\u00a0%."
    )
    assert second["answer"].startswith("It is not known")
    assert not any(line["question"] == QUESTION for line in documents.plain()["sets"][0]["first_screen"])


def test_where_clean_faces_are_not_known_it_proves_nothing() -> None:
    document = documents.defended()
    lines = defended_lines(document["sets"][0], document["recognizers"])
    assert len(lines) == 3
    assert [line.endswith("proves nothing") for line in lines] == [False, False, True]
    assert defended_lines(document["sets"][1], document["recognizers"]) == []


def test_the_shared_part_has_the_same_and_an_edit_is_named() -> None:
    document = documents.defended()
    assert shared_part(document)["sets"][0]["first_screen"][0] == document["sets"][0]["first_screen"][0]
    edited = copy.deepcopy(document)
    edited["sets"][0]["counts"]["recognizers"]["net"]["defenses"]["jpeg"]["this photo"]["published"]["failed"] = 0
    assert any("defenses.jpeg.this photo.published.failed.value" in line for line in differences(edited, None))
