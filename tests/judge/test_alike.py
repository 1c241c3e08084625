"""A reason that many share is said once."""

from harness.judge.alike import by_reason


def test_names_with_one_reason_stand_together_also_where_it_ends_a_longer_one() -> None:
    given = [("a", "not told"), ("b", "needs x; not told"), ("c", "of another kind"), ("d", "not told")]
    assert by_reason(given) == [(["a", "b", "d"], "not told"), (["c"], "of another kind")]
    assert by_reason([("b", "needs x; not told")]) == [(["b"], "needs x; not told")]
