"""How many entries a zip has, told from its directory without reading what they are: a million of them cost a
gigabyte to list.

Structures are those of PKWARE's APPNOTE 6.3.10: 4.3.12 (an entry), 4.3.14 and 4.3.15 (zip64), 4.3.16 (the end).
"""

import struct
from pathlib import Path

END, END_SIZE, COMMENT = b"PK\x05\x06", 22, 0xFFFF
LOCATOR, LOCATOR_SIZE = b"PK\x06\x07", 20
END_64, END_64_SIZE = b"PK\x06\x06", 56
ENTRY, ENTRY_SIZE = b"PK\x01\x02", 46
LARGEST = 64 << 20  # bytes of a directory


def count_entries(path: Path) -> int:
    """Entries of the directory, or what is more than any bound for one of more than `LARGEST` bytes.

    What the end of the file says of their number is not believed: they are gone through. 0 where there is no directory.
    """
    with path.open("rb") as file:
        length = file.seek(0, 2)
        start = max(0, length - END_SIZE - COMMENT - LOCATOR_SIZE - END_64_SIZE)
        file.seek(start)
        tail = file.read()
        at = tail.rfind(END)
        if at < 0 or len(tail) < at + END_SIZE:
            return 0
        size, end = struct.unpack_from("<L", tail, at + 12)[0], start + at
        at_64 = at - LOCATOR_SIZE - END_64_SIZE
        if at_64 >= 0 and tail[at_64:].startswith(END_64) and tail[at - LOCATOR_SIZE :].startswith(LOCATOR):
            size, end = struct.unpack_from("<Q", tail, at_64 + 40)[0], start + at_64
        if size > end:  # damaged
            return 0
        if size > LARGEST:
            return size
        file.seek(max(0, end - size))  # where the directory is, whatever lies before the zip
        directory = file.read(size)
    count = place = 0
    while directory.startswith(ENTRY, place) and place + ENTRY_SIZE <= len(directory):
        count += 1
        place += ENTRY_SIZE + sum(struct.unpack_from("<HHH", directory, place + 28))
    return count
