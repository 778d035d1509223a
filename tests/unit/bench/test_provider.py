"""The instant provider finds the end of a request, however its bytes come."""

import pytest

from smsgw.bench.provider import whole_request

REQUEST = b"POST /messages HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"


@pytest.mark.parametrize("size", range(len(REQUEST)))
def test_a_part_is_not_a_request(size: int) -> None:
    assert whole_request(REQUEST[:size]) == 0


def test_a_whole_one_ends_where_the_next_begins() -> None:
    assert whole_request(REQUEST + REQUEST) == len(REQUEST)


def test_one_without_a_body_ends_with_its_head() -> None:
    assert whole_request(b"GET / HTTP/1.1\r\n\r\nrest") == 18
