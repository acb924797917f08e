"""Who made a published set, and against which recognizers: what the private journal of the run says."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from deid.anonymity.groups import MAX_K
from deid.batch.journal import journal_path, of_another_version
from deid.batch.photo_tree import path_of
from deid.errors import UsageError
from deid.methods import METHODS, is_obfuscation
from deid.protection.profiles import PROFILES
from deid.recognizers.checkpoints import Entry


@dataclass(frozen=True)
class RecordedRun:
    """What the private journal of a run says of the set it made.

    k_level: the anonymity level K.
    method: the one asked for, an attack or an obfuscation, by name.
    ran: what really perturbed or hid the faces that were written, by name; empty where none was.
    profile: None for a method without one.
    surrogates: the recognizers attacked, by name; empty for an obfuscation.
    weights: the first surrogate's, as the beginning of their SHA-256; empty without surrogates.
    outputs: relative path of an original → SHA-256 of what the run wrote for it.
    """

    k_level: int
    method: str
    ran: tuple[str, ...]
    profile: str | None
    surrogates: tuple[str, ...]
    weights: str
    outputs: dict[Path, str]

    @property
    def made_with(self) -> str:
        """What ran, as a report names it."""
        names = " and ".join(self.ran or (self.method,))
        return f"{names}, profile {self.profile}" if self.profile else names

    @property
    def among_the_first(self) -> bool:
        """Whether each face was to stand at its own rank of 2..K+1, and not anywhere in the list."""
        return self.profile in PROFILES and PROFILES[self.profile].exact


def made_by(published: Path, journal: Path | None = None) -> RecordedRun | None:
    """The run that wrote to this folder: from its journal on this machine, or from the one given; None without any.

    Raises UsageError while that run goes on, or for a journal that cannot be read.
    """
    path = journal or journal_path(published)
    if not path.is_file():
        return None
    if of_another_version(path):
        raise UsageError(
            f"{published} was made by another version of this program: move its journal {path} away to audit without it"
        )
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=0)) as db:
            return _recorded_run(db)
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise UsageError(f"a run is still writing to {published}: wait for it") from None
        raise UsageError(f"the journal of {published} cannot be read: {error}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UsageError(f"the journal of {published} cannot be read: it is none of this program") from None


def _recorded_run(db: sqlite3.Connection) -> RecordedRun | None:
    """What a journal says. It may come from elsewhere: raises what made_by expects of a file that is none."""
    # A view or a computed column could make this program work for ever.
    objects = db.execute("SELECT name, type FROM sqlite_master WHERE name IN ('configuration', 'photos')").fetchall()
    computed = db.execute(
        "SELECT 1 FROM pragma_table_xinfo('photos') WHERE hidden"
        " UNION SELECT 1 FROM pragma_table_xinfo('configuration') WHERE hidden"
    ).fetchone()
    if set(objects) != {("configuration", "table"), ("photos", "table")} or computed:
        raise ValueError("no journal")
    row = db.execute("SELECT value FROM configuration").fetchone()
    if row is None:
        return None
    written = db.execute("SELECT path, output_sha256, result FROM photos WHERE output_sha256 IS NOT NULL").fetchall()
    configuration = json.loads(row[0])
    k_level, method = int(configuration["K"]), str(configuration["method"])
    if not 1 <= k_level <= MAX_K:
        raise ValueError("no level")
    outputs = {path_of(name): str(sha256) for name, sha256, _ in written}
    ran = _ran(result for *_, result in written)
    if is_obfuscation(method):  # it follows no recognizer's gradients
        return RecordedRun(k_level, method, ran, None, (), "", outputs)
    name, weights = configuration["recognizer"].split()
    further = map(str, dict(configuration.get("further surrogates") or {}))
    return RecordedRun(k_level, method, ran, configuration.get("profile"), (name, *further), weights, outputs)


def _ran(results: Iterable[str]) -> tuple[str, ...]:
    """The attacks and obfuscations that the results of photos, as JSON, name for their faces."""
    names = {
        name
        for result in results
        for face in json.loads(result)["faces"]
        if face["attack"]
        for name in face["attack"].split(", ")
    }
    if not names <= METHODS.keys():
        raise ValueError("no attack of this program")
    return tuple(name for name in METHODS if name in names)


def surrogates_of(run: RecordedRun | None, entries: Mapping[str, Entry]) -> list[Entry] | None:
    """The recognizers that a run attacked; None where nobody knows, or where they are not on this machine any more.

    Weights that were replaced under the same name are others than those attacked.
    """
    if run is None or not entries.keys() >= set(run.surrogates):
        return None
    attacked = [entries[name] for name in run.surrogates]
    return attacked if not attacked or attacked[0].sha256.startswith(run.weights) else None
