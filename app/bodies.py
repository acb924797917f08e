"""Bodies of requests, counted as they come and before anything reads them."""

from collections.abc import Callable

from starlette.types import Message, Receive


class Counted:
    """Passes a body on; one that is longer than was announced ends as if its browser had gone.

    announced: bytes.
    on_bytes: is told how many came, each time.
    """

    def __init__(self, receive: Receive, announced: int, on_bytes: Callable[[int], None] = lambda n: None) -> None:
        self.receive, self.announced, self.on_bytes = receive, announced, on_bytes
        self.came = 0

    @property
    def too_long(self) -> bool:
        return self.came > self.announced

    async def __call__(self) -> Message:
        if self.too_long:
            return {"type": "http.disconnect"}
        message = await self.receive()
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.came += size
            if self.too_long:
                return {"type": "http.disconnect"}
            self.on_bytes(size)
        return message
