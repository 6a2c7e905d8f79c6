"""Cursors outlive a change of keys for as long as nodes hold the former one."""

import pytest

from holdfast.errors import InvalidInput
from holdfast.web.v1.cursors import Cursors

SCOPE = ("ann", "secrets", "payments-*")


def test_i16_a_cursor_of_the_former_key_is_good_until_no_node_holds_it() -> None:
    keys = [b"o" * 32]
    cursors = Cursors(lambda: keys)
    cursor = cursors.encode(SCOPE, "payments-db")
    keys.insert(0, b"n" * 32)
    assert cursors.decode(SCOPE, cursor) == "payments-db"
    assert cursors.encode(SCOPE, "payments-db") != cursor, "new ones are made with the new key"
    with pytest.raises(InvalidInput):
        cursors.decode(("ben", *SCOPE[1:]), cursor)
    keys.pop()
    with pytest.raises(InvalidInput):
        cursors.decode(SCOPE, cursor)
