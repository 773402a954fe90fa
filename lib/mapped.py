"""Tables that may outgrow memory: one that lies uncompressed in an .npz is mapped, and each is walked some rows at a time."""
import mmap
import os
import struct
import zipfile

import numpy as np

LARGE = 2**26  # bytes from which a stored array is mapped: below, reading it costs nothing
CELLS = 2**20  # of a table at a time: 8 MB a copy in float64, which stays in the cache


def member(file, entry: zipfile.ZipInfo) -> np.ndarray | None:
    """The array of an entry of the open .npz `file`, mapped read-only; None where it has to be read: small, compressed or of another layout.

    The archive's own checksum is not looked at: who needs one checks the file.
    """
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size < LARGE:
        return None
    file.seek(entry.header_offset + 26)
    start = file.seek(sum(struct.unpack("<2H", file.read(4))), os.SEEK_CUR)  # past the name and the extra field
    if np.lib.format.read_magic(file) != (1, 0):
        return None
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    offset = file.tell()
    if fortran or dtype.hasobject or offset + int(np.prod(shape, dtype=object)) * dtype.itemsize != start + entry.file_size:
        return None
    return np.memmap(file, dtype, "r", offset, shape)


def row_blocks(table: np.ndarray):
    """(slice of rows, those rows as an aligned copy in memory), CELLS at a time, of an array (N, K); at least one block.

    What was read of a mapped array is given back: else it would count as the process's own memory.
    """
    rows = max(CELLS // max(table.shape[1], 1), 1)
    for start in range(0, max(len(table), 1), rows):
        chosen = slice(start, start + rows)
        yield chosen, np.array(table[chosen])
        if isinstance(table, np.memmap):
            table.base.madvise(mmap.MADV_DONTNEED)
