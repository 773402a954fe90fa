"""Metadata of pictures: ids stay text, and every bad file is one line."""

import unicodedata

import pytest

from lib.base.errors import DataError
from lib.data.metadata import read_metadata
from lib.evaluation.metrics import groups


def written(tmp_path, content, encoding="utf-8"):
    path = tmp_path / "m.csv"
    path.write_bytes(content.encode(encoding))
    return path


def test_ids_and_values_are_text_in_any_column_order(tmp_path):
    content = 'camera,id,year\nA,007,1999\n"B, new",a/7.png,\nNA,1.0,nan\n'
    for encoding in ("utf-8", "utf-8-sig"):
        table = read_metadata(written(tmp_path, content, encoding))
        assert table.index.tolist() == ["007", "a/7.png", "1.0"]
        assert table.to_dict("list") == {
            "camera": ["A", "B, new", "NA"],
            "year": ["1999", "", "nan"],
        }


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_the_mark_between_cells_is_that_of_the_header(tmp_path, mark, end):
    content = end.join([f"camera{mark}id", f"A{mark}007", f'"a,b;c\t"{mark}1e3'])
    table = read_metadata(written(tmp_path, content, "utf-8-sig"))
    assert table["camera"].to_dict() == {"007": "A", "1e3": "a,b;c\t"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_ids_are_of_one_unicode_form(tmp_path, form):
    content = unicodedata.normalize(form, "id,camera\ncafé/é.png,A\n고/1.png,B\n")
    rows, matched = groups.assign(
        read_metadata(written(tmp_path, content)), ["café/é.png", "고/1.png"]
    )
    assert rows["camera"].tolist() == ["A", "B"] and matched == {"missing": 0, "other_ids": 0}


@pytest.mark.parametrize(
    "content, says",
    [
        ("", "one column must be called id; there are: "),
        ("name,camera\na,b\n", "one column must be called id; there are: 'name', 'camera'"),
        ("id,id,x\n1,2,3\n", "one column must be called id"),
        ("id\n1\n", "expected rows with an id and at least one more column"),
        ("id,camera\n", "expected rows with an id and at least one more column"),
        ("id,,x\n1,2,3\n", "every column needs a name of its own"),
        ("id,x,x\n1,2,3\n", "every column needs a name of its own; there are: 'id', 'x', 'x'"),
        ("id,x\n1,a\n2\n", "row 2 has 1 cells, the header 2"),
        ("id,x\n1,a\n2,b,c\n", "row 2 has 3 cells, the header 2"),
        ('id,x\n1,"a\n', "no table of text (unexpected end of data)"),
        ("id,x\n7,a\n7,b\n8,a\n8,b\n", "ids given twice: '7', '8'"),
        ("id,x\n" + "\n".join(f"{n % 5},a" for n in range(10)), "'0', '1', '2' and 2 more"),
        ("id,x\n,a\n", "a row without an id"),
    ],
)
def test_a_bad_file_is_one_line_with_its_name(tmp_path, content, says):
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_metadata(path)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{path}: ") and says in line


def test_a_missing_file_and_one_of_another_encoding(tmp_path):
    with pytest.raises(DataError, match="no.csv: cannot be read"):
        read_metadata(tmp_path / "no.csv")
    with pytest.raises(DataError, match="no table of text"):
        read_metadata(written(tmp_path, "id,x\n1,é\n", "latin-1"))
