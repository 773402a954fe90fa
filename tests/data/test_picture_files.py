"""Which files are pictures: all of them, each once, what is passed over counted, what stands in for
one named."""

import io
import logging
import os
import shutil
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from lib.base.errors import DataError
from lib.data import picture_files

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"


@pytest.fixture
def split(tmp_path):
    """A split of three pictures of each of two classes."""
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "train" / name / f"{number}.png")
    return tmp_path / "train"


def listed(split):
    names = list(picture_files.class_folders(split))
    return [path for path, _ in picture_files.pictures(split, names)]


def refused(function, *arguments) -> str:
    with pytest.raises(DataError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "hidden", [".ipynb_checkpoints/0-checkpoint.png", "deeper/.thumbnails/0.png", "._0.png"]
)
def test_what_begins_with_a_dot_is_passed_over_at_every_depth(split, hidden, caplog):
    before = listed(split)
    path = split / "cat" / hidden
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(before[0], path)
    with caplog.at_level(logging.INFO, "lib"):
        assert listed(split) == before
    assert caplog.messages == [
        f"{split}: passed over as no picture of a class: 1 × names that begin with a dot"
    ]


@pytest.mark.parametrize(
    "made", ["__MACOSX/cat/0.png", "cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.png", "#recycle/0.png"]
)
def test_folders_that_a_system_made_hold_no_class_and_no_picture(split, made, caplog):
    before = listed(split)
    (split / made).parent.mkdir(parents=True)
    shutil.copy(before[0], split / made)
    with caplog.at_level(logging.INFO, "lib"):
        assert listed(split) == before
    (said,) = caplog.messages
    assert said.endswith("no picture of a class: 1 × folders of a system")


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", os.fsdecode(b"\xff\xe9")])
def test_names_of_any_kind_are_told_in_one_line(split, name, caplog):
    (split / "cat" / f"x.{name}").touch()
    with caplog.at_level(logging.INFO, "lib"):
        listed(split)
    (split / "cat" / f"{name}.png").symlink_to("nowhere")
    for said in (*caplog.messages, refused(listed, split)):
        assert said.isprintable() and said.encode()


def test_what_is_passed_over_is_counted_in_one_line(split, caplog):
    for name in ("cat/a.heic", "cat/b.HEIC", "dog/notes.txt", "dog/README", "loose.png", ".x"):
        (split / name).write_bytes(b"")
    with caplog.at_level(logging.INFO, "lib"):
        listed(split)
    (said,) = caplog.messages
    for count in ("2 × .heic", "1 × .txt", "1 × no ending", "1 × in no class", "1 × names that"):
        assert count in said


@pytest.mark.parametrize("ending", [".gif", ".jfif", ".avif", ".JPG", ".tga", ".webp"])
def test_what_pillow_reads_is_read(split, ending):
    path = split / "cat" / f"more{ending}"
    Image.open(split / "cat" / "0.png").save(path)
    assert str(path) in listed(split)
    assert len(picture_files.pixels(str(path), 32)) == 3 * 32 * 32


@pytest.mark.parametrize("link, to", [("loop", ""), ("more", "dog"), ("deeper/self", "cat")])
def test_a_folder_that_is_reached_twice_is_refused_by_name(split, link, to):
    path = split / "cat" / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to((split / to).absolute())
    said = refused(listed, split)
    assert "whose pictures are listed already" in said and str(split / to).rstrip("/") in said


@pytest.mark.parametrize(
    "to, says",
    [
        ("/nowhere/0.png", "a link to what is not there"),
        ("../.git/annex/objects/0", "git annex get"),
        ("x.png", "Too many levels"),
        (None, "a pipe, socket or device"),
    ],
    ids=["nowhere", "annex", "itself", "pipe"],
)
def test_names_without_a_file_behind_them_are_refused_together(split, to, says):
    for name in ("x.png", "y.png"):
        path = split / "cat" / name
        path.symlink_to(to) if to else os.mkfifo(path)
    said = refused(listed, split)
    assert says in said and "x.png" in said and "y.png" in said
    assert "x.png" in refused(picture_files.tree, split)


def test_a_folder_that_cannot_be_read_is_refused_by_name(split, monkeypatch):
    (split / "cat" / "deeper").mkdir()
    scandir = os.scandir

    def denied(place):
        if str(place).endswith("deeper"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    monkeypatch.setattr(os, "scandir", denied)
    assert refused(listed, split) == f"{split}/cat/deeper: Permission denied"


def test_a_folder_elsewhere_may_be_linked(split, tmp_path):
    shutil.move(split / "dog", tmp_path / "kennel")
    (split / "dog").symlink_to(tmp_path / "kennel")
    assert len(listed(split)) == 6


@pytest.mark.parametrize("name", ["café", "Ångström", "고양이"])
def test_one_name_in_two_unicode_forms_is_one_class(split, name):
    one, other = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    (split / "cat").rename(split / other)
    assert one in picture_files.class_folders(split) and len(listed(split)) == 6
    shutil.copytree(split / other, split / one)
    said = refused(picture_files.class_folders, split)
    assert ascii(one) in said and ascii(other) in said


def test_one_name_of_a_picture_in_two_unicode_forms_is_refused(split):
    one, other = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    for name in (one, other):
        shutil.copy(next((split / "cat").iterdir()), split / "cat" / name)
    said = refused(listed, split)
    assert ascii(one)[1:-1] in said and ascii(other)[1:-1] in said and "rename one" in said


def png_of_16_bits(colours: int) -> bytes:
    """A PNG as its specification has it: 16 bits a channel, colour type 0 or 2."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        both = kind + content
        return len(content).to_bytes(4) + both + zlib.crc32(both).to_bytes(4)

    rows = (b"\0" + (1000).to_bytes(2) * 8 * colours) * 8
    size = (8).to_bytes(4) * 2 + bytes([16, {1: 0, 3: 2}[colours], 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("colours", [1, 3])
def test_more_than_8_bits_a_channel_are_refused(tmp_path, colours):
    path = tmp_path / "deep.png"
    path.write_bytes(png_of_16_bits(colours))
    assert "more than 8 bits a channel" in picture_files.pixels(str(path), 8)


@pytest.mark.parametrize("name", ["می\u200cخواهم", "👨\u200d👩\u200d👧", "क्\u200dष"])
def test_letters_may_be_joined(split, name):
    (split / "cat").rename(split / name)
    assert name in picture_files.class_folders(split)


@pytest.mark.parametrize("name", ["cat\u200f", "oak\xa0tree", "\ue000", "cat ", "a\tb"])
def test_what_cannot_be_printed_is_no_name_of_a_class(split, name):
    (split / "cat").rename(split / name)
    assert ascii(name) in refused(picture_files.class_folders, split)


def test_names_that_look_alike_are_told_apart(split):
    (split / "cat").rename(split / "c\u0430t")
    assert "\\u0430" in refused(picture_files.pictures, split, ["cat", "dog"])


@pytest.mark.parametrize(
    "content, says",
    [
        (POINTER, "git lfs pull"),
        (b"/annex/objects/SHA256E-s12--0.png\n", "git annex get"),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page"),
        (b"", "an empty file"),
        (b"\xef\xbb\xbf" + POINTER, "git lfs pull"),
        (b"../../.git/annex/objects/Wq/0.png", "git annex get"),
        (b"\0GITCRYPT\0\1\2", "git-crypt unlock"),
        (b"<?xml version='1.0'?><Error>AccessDenied</Error>", "a server's answer"),
        (b'{"message": "Not Found"}', "a server's answer"),
        (b"\0" * 4096, "zeros alone"),
    ],
    ids=[
        *("lfs", "annex", "web page", "empty", "lfs with a mark", "annex without links"),
        *("git-crypt", "xml", "json", "zeros"),
    ],
)
def test_what_stands_in_for_a_picture_is_named(split, content, says):
    path = split / "cat" / "0.png"
    path.write_bytes(content)
    assert says in picture_files.pixels(str(path), 32)


def test_many_of_one_reason_are_one_line():
    said = picture_files.unreadable({"an empty file": [str(n) for n in range(9)], "odd": ["x"]})
    assert said == "0, 1, 2, 3, 4 and 4 more: an empty file; x: odd"


@pytest.mark.parametrize("shape", [(12000, 1), (1, 12000)], ids=["high", "wide"])
def test_memory_is_bounded_by_the_output(tmp_path, shape):
    Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(tmp_path / "thin.png")
    side, seen, resize = 64, [], Image.Image.resize

    def watching(self, size, *arguments, **options):
        seen.append(size[0] * size[1])
        return resize(self, size, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "resize", watching)
        assert len(picture_files.pixels(str(tmp_path / "thin.png"), side)) == 3 * side * side
    assert seen and max(seen) <= picture_files.LONGEST * side * side


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_large_jpeg_is_decoded_reduced(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(picture_files, "LARGE", 100_000)
    Image.new(mode, (1600, 1200), "gray").save(tmp_path / "large.jpg")
    sizes, load = [], ImageFile.ImageFile.load

    def watching(self):
        sizes.append(self.size)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", watching)
    assert picture_files.pixels(str(tmp_path / "large.jpg"), 32) == b"\x80" * (3 * 32 * 32)
    assert set(sizes) == {(200, 150)}


def with_chunk(content: bytes, kind: bytes, data: bytes, flipped: int = 0) -> bytes:
    """A PNG with one more chunk behind its header; flipped: bits of its check sum."""
    check = (zlib.crc32(kind + data) ^ flipped).to_bytes(4)
    return content[:33] + len(data).to_bytes(4) + kind + data + check + content[33:]


def with_text(content: bytes) -> bytes:
    info, file = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_text("xmp", "x" * 3_000_000, zip=True)
    Image.open(io.BytesIO(content)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def with_exif(content: bytes) -> bytes:
    file = io.BytesIO()
    exif = b"Exif\x00\x00II*\x00\xff\xff\xff\xff\x01"
    Image.open(io.BytesIO(content)).save(file, "PNG", exif=exif)
    return file.getvalue()


BESIDE_ITS_PIXELS = {
    "text": with_text,
    "exif": with_exif,
    "a check sum of text": lambda png: with_chunk(png, b"tEXt", b"Comment\0hello", flipped=1),
    "a short pHYs": lambda png: with_chunk(png, b"pHYs", b"\0\0"),
    "a profile": lambda png: with_chunk(png, b"iCCP", b"x\0\0no profile"),
    "no end": lambda png: png[:-12],
    "more behind its end": lambda png: png + b"more" * 99,
}


@pytest.mark.parametrize("change", BESIDE_ITS_PIXELS.values(), ids=list(BESIDE_ITS_PIXELS))
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_picture_is_not_refused_for_what_is_not_its_pixels(split, change):
    path = split / "cat" / "0.png"
    before = picture_files.pixels(str(path), 32)
    path.write_bytes(change(path.read_bytes()))
    assert picture_files.pixels(str(path), 32) == before


@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_may_lack_its_end_and_nothing_else(split, cut):
    path = split / "cat" / "0.jpg"
    Image.open(split / "cat" / "0.png").save(path)
    content, before = path.read_bytes(), picture_files.pixels(str(path), 32)
    path.write_bytes(content[:-cut])
    assert picture_files.pixels(str(path), 32) == before
    for more in (4, 40, 400):
        path.write_bytes(content[:-more])
        assert "not a readable picture" in picture_files.pixels(str(path), 32)


@pytest.mark.parametrize("damaged", [b"no picture", None], ids=["no picture", "cut off"])
def test_what_is_damaged_in_its_pixels_is_refused(split, damaged):
    path = split / "cat" / "0.png"
    path.write_bytes(damaged or path.read_bytes()[:900])
    assert picture_files.pixels(str(path), 32).startswith("not a readable picture (")
