"""Which files are pictures: all of them, each once, what is passed over counted, what stands in for
one named."""

import logging
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

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


def test_a_folder_elsewhere_may_be_linked(split, tmp_path):
    shutil.move(split / "dog", tmp_path / "kennel")
    (split / "dog").symlink_to(tmp_path / "kennel")
    assert len(listed(split)) == 6


@pytest.mark.parametrize("name", ["café", "Ångström"])
def test_one_name_in_two_unicode_forms_is_one_class(split, name):
    one, other = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    (split / "cat").rename(split / other)
    assert one in picture_files.class_folders(split) and len(listed(split)) == 6
    shutil.copytree(split / other, split / one)
    said = refused(picture_files.class_folders, split)
    assert ascii(one) in said and ascii(other) in said


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
    ],
    ids=["lfs", "annex", "web page", "empty"],
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


@pytest.mark.parametrize("kind", ["text", "exif"])
def test_a_picture_is_not_refused_for_what_is_not_its_pixels(split, kind):
    path = str(split / "cat" / "0.png")
    before = picture_files.pixels(path, 32)
    picture = Image.open(path)
    picture.load()
    if kind == "text":
        info = PngImagePlugin.PngInfo()
        info.add_text("xmp", "x" * 3_000_000, zip=True)
        picture.save(path, pnginfo=info)
    else:
        picture.save(path, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff\x01")
    assert picture_files.pixels(path, 32) == before


@pytest.mark.parametrize("damaged", [b"no picture", None], ids=["no picture", "cut off"])
def test_what_is_damaged_in_its_pixels_is_refused(split, damaged):
    path = split / "cat" / "0.png"
    path.write_bytes(damaged or path.read_bytes()[:900])
    assert picture_files.pixels(str(path), 32).startswith("not a readable picture (")
