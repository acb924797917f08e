"""The words for what recognizers were trained on: kinship compares them, so one thing has one name."""

from deid.errors import CheckpointError

_MS_CELEB = "MS-Celeb-1M (Guo, Zhang, Hu, He, Gao, 2016)"

# What `--trained-on` takes → what an entry says. Several, joined by «; », where one contains the other.
TRAINING_DATA: dict[str, str] = {
    "ms-celeb-1m": _MS_CELEB,
    "glint360k": f"Glint360K (An and others, 2021); {_MS_CELEB}",
    "vggface2": "VGGFace2 (Cao, Shen, Xie, Parkhi, Zisserman, 2018)",
    "casia-webface": "CASIA-WebFace (Yi, Lei, Liao, Li, 2014)",
    "webface260m": "WebFace260M (Zhu and others, 2021)",
    "dlib": "about 3 million faces gathered by its author (Davis King, 2017)",
    "lfw": "LFW (Huang, Ramesh, Berg, Learned-Miller, 2007)",
}
OTHER = "other:"


def stated(text: str) -> str:
    """What an entry says of training data that a user names: words of TRAINING_DATA, joined by commas, or «other: …».

    Raises CheckpointError for anything else: a name spelled in another way would make kin look independent.
    """
    if text.lower().startswith(OTHER):
        return text[len(OTHER) :].strip()
    names = [name.strip().lower() for name in text.split(",")]
    if unknown := [name for name in names if name not in TRAINING_DATA]:
        known = ", ".join(TRAINING_DATA)
        raise CheckpointError(f"no training data called {', '.join(unknown)}: there are {known}, and '{OTHER} …'")
    return "; ".join(TRAINING_DATA[name] for name in names)
