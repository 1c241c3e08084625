"""What tests/conftest.py says of files is said of files that there are."""

from tests.conftest import ALONE, SLOW, TESTS


def test_every_file_that_is_marked_is_there() -> None:
    assert [name for name in (*SLOW, *ALONE) if not (TESTS / name).exists()] == []
