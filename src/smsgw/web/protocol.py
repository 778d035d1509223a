"""HTTP/1.1 on the wire, with the deadlines and limits that uvicorn lacks."""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HardenedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on what a stranger may send and how slowly."""
