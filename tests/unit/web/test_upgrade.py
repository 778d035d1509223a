"""The head that is left when an Upgrade is declined."""

from smsgw.web.upgrade import declined


def test_only_the_wish_is_taken_out() -> None:
    headers = [
        (b"host", b"a"),
        (b"connection", b"Upgrade, Close"),
        (b"upgrade", b"h2c"),
        (b"idempotency-key", b""),
        (b"content-length", b"3"),
    ]

    head = declined(b"POST", b"/x?y", "1.1", headers)

    assert head == (
        b"POST /x?y HTTP/1.1\r\nhost: a\r\nconnection: Close\r\nidempotency-key: \r\ncontent-length: 3\r\n\r\n"
    )


def test_a_connection_header_about_nothing_else_goes() -> None:
    assert declined(b"GET", b"/", "1.1", [(b"connection", b"Upgrade")]) == b"GET / HTTP/1.1\r\n\r\n"
