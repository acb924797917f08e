"""What the first screen of a report says of the photos themselves: whether they are there, whole, and alike."""

from typing import Any

from deid.audit.findings import FIRST_ELSEWHERE, POSSIBLE, SECOND_LOOK
from deid.audit.report.answers import answered, counted, kinds_of
from deid.audit.report.summary import GRAVE

Json = dict[str, Any]


def complete(counts: Json) -> Json:
    elsewhere = (FIRST_ELSEWHERE, SECOND_LOOK, POSSIBLE)  # told of in answers of their own
    findings = [finding for finding in counts["findings"] if finding["kind"] not in elsewhere]
    broken = (*GRAVE, "missing")
    listed = kinds_of(findings, broken)
    if not findings:
        answer = "Yes."
    elif any(finding["kind"] in broken for finding in findings):
        answer = f"No: {listed}."
    else:
        answer = f"Nothing grave was found: {listed}."
    evidence = f"{counts['photos']['audited']} of {counts['photos']['originals']} originals were audited, "
    evidence += f"{counts['faces']} faces; {counts['photos']['published']} files are published"
    return answered("Is every photo there, and what it should be?", answer, [evidence])


def every_face(counts: Json) -> Json:
    second, possible = counts["second_look"], counts["possible"]
    audited = counted(counts["faces"], "face")
    answer = f"Yes, every one that the search is sure of: {audited} in the photos that were audited."
    if possible["faces"]:
        answer = f"No, not every one: {counted(possible['faces'], 'possible face')} in "
        answer += f"{counted(possible['photos'], 'photo')} of the originals, of which the search is not sure, "
        answer += f"{'was' if possible['faces'] == 1 else 'were'} not audited. {audited} audited."
    evidence = (
        f"{counted(second['faces'], 'face')} in {counted(second['photos'], 'photo')}, N = {counts['faces']}, found "
        "only by a second look (turned, cut off, covered or small): one detector's look at the photo misses them"
    )
    return answered("Was every face audited?", answer, [evidence])


def cost(quality: Json) -> Json:
    ssim = quality["ssim"]
    answer = "No face could be compared."
    if ssim["n"]:
        values = f"{ssim['value']:.3f} in the median and {ssim['worst']:.3f} at worst"
        answer = f"SSIM of the faces, a likeness where 1 is no difference: {values}, N = {ssim['n']}."
    return answered("How much do the photos differ from the originals?", answer, [])
