"""What connections must know of a server that stops: uvicorn tells them only once, and late ones miss it."""

from uvicorn.server import ServerState


class StoppableState(ServerState):
    """uvicorn's shared state, which also knows that the server is stopping."""

    is_stopping = False
