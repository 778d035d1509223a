"""The table of reliability.md section 4, and its neighbours: what no client of good will sends, and what it earns."""

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
_GET = b"GET /healthz HTTP/1.1\r\n"


def chunked(post: bytes, *chunks: bytes) -> bytes:
    """Return a request whose body comes in these chunks; `post` is its head without the empty line."""
    return post + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)


def refused(post: bytes) -> dict[str, tuple[bytes, int]]:
    """Return every probe with the status that it must get; `post` begins a request that would be served."""
    return {**_lines(post), **_addresses(), **_fields(), **_bodies(post), **_chunks(post)}


def _lines(post: bytes) -> dict[str, tuple[bytes, int]]:
    return {
        "bare line feeds": (b"GET /healthz HTTP/1.1\nHost: a\n\n", 400),
        "TLS on a plain port": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 100, 400),
        "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        "HTTP/2.0 in the request line": (b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n", 400),
        "HTTP/2.0 with a body": (post.replace(b"HTTP/1.1", b"HTTP/2.0") + b"Content-Length: 2\r\n\r\n{}", 400),
        "HTTP/0.9": (b"GET /healthz HTTP/0.9\r\n\r\n", 400),
        "no version": (b"GET /healthz\r\n\r\n", 400),
        "HTTP/1.2": (b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 400),
        "an invented method": (b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        "a method in small letters": (b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    }


def _addresses() -> dict[str, tuple[bytes, int]]:
    def get(path: bytes) -> bytes:
        return b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"

    return {
        "9 KiB URL": (get(b"/" + b"a" * 9216), 414),
        "70 KB URL": (get(b"/x?" + b"a" * 70_000), 414),
        "two slashes": (get(b"//healthz"), 404),
        "two slashes behind an absolute address": (get(b"http://a//healthz"), 404),
        "an escaped slash": (get(b"/docs%2fassets/docs.js"), 404),
        "an escaped letter": (get(b"/%68ealthz"), 404),
        "an escaped NUL": (get(b"/healthz%00"), 404),
        "a backslash": (get(b"\\healthz"), 400),
    }


def _fields() -> dict[str, tuple[bytes, int]]:
    return {
        "no host": (_GET + b"\r\n", 400),
        "two hosts": (_GET + b"Host: a\r\nHost: b\r\n\r\n", 400),
        "two hosts in HTTP/1.0": (b"GET /healthz HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        "folded header": (_GET + b"Host: a\r\nX: 1\r\n 2\r\n\r\n", 400),
        "space before the colon": (_GET + b"Host : a\r\n\r\n", 400),
        "space in a name": (_GET + b"Host: a\r\nX Y: 1\r\n\r\n", 400),
        "NUL in a header": (_GET + b"Host: a\r\nX: \x00\r\n\r\n", 400),
        "bare carriage return in a header": (_GET + b"Host: a\r\nX: 1\r2\r\n\r\n", 400),
        "200 header fields": (_GET + b"Host: a\r\n" + b"X: 1\r\n" * 200 + b"\r\n", 431),
        "600 KB header": (_GET + b"Host: a\r\nX: " + b"a" * 600_000 + b"\r\n\r\n", 431),
        "33 KiB of headers": (_GET + b"Host: a\r\n" + (b"X: " + b"a" * 1020 + b"\r\n") * 33 + b"\r\n", 431),
    }


def _bodies(post: bytes) -> dict[str, tuple[bytes, int]]:
    return {
        "content-length and transfer-encoding": (
            post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        "two different content-lengths": (post + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
        "signed content-length": (post + b"Content-Length: +7\r\n\r\nabcdefg", 400),
        "negative content-length": (post + b"Content-Length: -1\r\n\r\n", 400),
        "huge content-length": (post + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", 400),
        "body announced too large": (post + b"Content-Length: 70000\r\n\r\n" + b"a" * 70_000, 413),
        "encoded body": (post + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b", 415),
    }


def _chunks(post: bytes) -> dict[str, tuple[bytes, int]]:
    def coded(coding: bytes) -> bytes:
        return post + b"Transfer-Encoding: " + coding + b"\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

    return {
        "70 KB chunk extension": (chunked(post, b"1;a=" + b"b" * 70_000 + b"\r\nx\r\n0\r\n\r\n"), 400),
        "70 KB of trailers": (chunked(post, b"1\r\nx\r\n0\r\n", (b"X: " + b"a" * 995 + b"\r\n") * 70, b"\r\n"), 400),
        "bad chunk size": (chunked(post, b"z\r\nx\r\n0\r\n\r\n"), 400),
        "huge chunk size": (chunked(post, b"f" * 20 + b"\r\nx\r\n0\r\n\r\n"), 400),
        "negative chunk size": (chunked(post, b"-1\r\nx\r\n0\r\n\r\n"), 400),
        "chunked body too large": (chunked(post, *[b"1000\r\n" + b"a" * 4096 + b"\r\n"] * 17, b"0\r\n\r\n"), 413),
        "compressed in transfer": (coded(b"gzip, chunked"), 400),
        "compressed around the chunks": (coded(b"chunked, gzip"), 400),
        "a transfer coding alone": (coded(b"gzip"), 400),
        "identity as a transfer coding": (coded(b"identity"), 400),
        "chunked twice": (coded(b"chunked\r\nTransfer-Encoding: chunked"), 400),
        "chunked behind a tab": (coded(b"\x0bchunked"), 400),
    }
