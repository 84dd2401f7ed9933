"""Photographs of animals and things, cut out along their outlines, from the Debian package tuxpaint-stamps-default.

    python3 stamps.py tuxpaint-stamps-default_2022.06.04-1_all.deb OUT

writes those that bench/stamps.csv lists into the folder OUT, unchanged, with the package's copyright file. The stamps are
GPL-2 (copyright 2002-2022 by Bill Kendrick and the authors of Tux Paint): they are for measuring on one's own machine, and
neither they nor pictures made of them belong into this repository.
"""

import csv
import io
import os
import sys
import tarfile

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bench", "stamps.csv")
STAMPS = "./usr/share/tuxpaint/stamps/{}.png"
COPYRIGHT = "./usr/share/doc/tuxpaint-stamps-default/copyright"
BLOCK = 60


def member(archive, prefix):
    """The contents of a Debian package's part: an `ar` archive, whose parts have a header of 60 bytes each."""
    with open(archive, "rb") as file:
        if file.read(8) != b"!<arch>\n":
            raise ValueError(f"{archive} is no Debian package")
        while header := file.read(BLOCK):
            name, size = header[:16].decode().strip(), int(header[48:58])
            if name.startswith(prefix):
                return file.read(size)
            file.seek(size + size % 2, os.SEEK_CUR)
    raise ValueError(f"{archive} has no part {prefix}")


def main(archive, out):
    with open(LIST, encoding="utf-8", newline="") as file:
        stamps = [row["stamp"] for row in csv.DictReader(file)]
    wanted = {STAMPS.format(stamp): os.path.basename(stamp) + ".png" for stamp in stamps}
    wanted[COPYRIGHT] = "COPYRIGHT.txt"
    os.makedirs(out)
    with tarfile.open(fileobj=io.BytesIO(member(archive, "data.tar"))) as files:
        for entry in files:
            name = wanted.pop(entry.name, None)
            if name:
                with open(os.path.join(out, name), "wb") as file:
                    file.write(files.extractfile(entry).read())
    if wanted:
        raise ValueError(f"{archive} has no {', '.join(sorted(wanted))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
