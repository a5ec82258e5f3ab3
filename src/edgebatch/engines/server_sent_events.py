"""Streams of server-sent events, as the HTML standard describes them."""

from __future__ import annotations

LONGEST_EVENT_BYTES = 16 * 2**20
"""More than any event needs: a server that sends a longer one has gone wrong."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class EventTooLongError(Exception):
    """An event has no end within :data:`LONGEST_EVENT_BYTES`."""

    def __init__(self) -> None:
        super().__init__(f"an event of more than {LONGEST_EVENT_BYTES} bytes")


class EventReader:
    """Finds the events in a stream whose bytes come cut anywhere.

    Names, ids and retry times of events are passed over.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._num_bytes = 0
        self._is_after_return = False
        self._is_first_line = True

    def feed(self, chunk: bytes) -> list[str]:
        """Return what each event that is whole now says, in its ``data`` lines.

        Events without data are none.

        Raises:
            EventTooLongError: an event has no end.
        """
        if not chunk:
            return []
        if self._is_after_return:  # both are the end of one line
            chunk = chunk.removeprefix(b"\n")
        self._is_after_return = chunk.endswith(b"\r")
        self._num_bytes += len(chunk)
        found = []
        for line in chunk.splitlines(keepends=True):
            self._line += line
            if line.endswith((b"\n", b"\r")):
                event = self._take_line(bytes(self._line.rstrip(b"\r\n")))
                self._line.clear()
                if event is not None:
                    found.append(event)
        if self._num_bytes > LONGEST_EVENT_BYTES:
            raise EventTooLongError
        return found

    def _take_line(self, line: bytes) -> str | None:
        """Take a line in, and return what the event says that it ends."""
        if self._is_first_line:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._is_first_line = False
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            return None
        data = b"\n".join(self._data).decode(errors="replace")
        self._data.clear()
        self._num_bytes = 0
        return data or None
