"""The child's end of :mod:`edgebatch.engines.process`; for Linux and macOS."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import select
import signal
import struct
import sys
import threading

from edgebatch.engines.process import pack

_HEADER = struct.Struct("!Q")
_PR_SET_PDEATHSIG = 1


class ParentLink:
    """Messages from and to the parent, and the promise to end with it.

    To be made before heavy libraries are imported, once in a process. From then on whatever is
    printed goes to standard error, and the process ends when the parent does.
    """

    def __init__(self) -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self._input = os.dup(0)
        self._output = os.fdopen(os.dup(1), "wb")
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        self._sending = threading.Lock()
        threading.Thread(target=self._watch, daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message; from any thread."""
        data = pack(message)
        with self._sending, contextlib.suppress(BrokenPipeError):
            self._output.write(data)
            self._output.flush()

    def receive(self, timeout_seconds: float | None = None) -> object:
        """Wait for the next message; from one thread.

        Raises:
            TimeoutError: none came within ``timeout_seconds``; 0 does not wait.
        """
        # no thread reads ahead: a library that holds the interpreter for whole steps would starve
        # it, and messages would come many steps late
        ready, _, _ = select.select([self._input], [], [], timeout_seconds)
        if not ready:
            raise TimeoutError
        (length,) = _HEADER.unpack(self._read(_HEADER.size))
        return pickle.loads(self._read(length))

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = os.read(self._input, size - len(data))
            if not piece:
                os._exit(0)
            data += piece
        return bytes(data)

    def _watch(self) -> None:
        """End the process when the parent has closed its end, whatever it is doing."""
        hang_up = select.poll()
        hang_up.register(self._input, getattr(select, "POLLRDHUP", 0))
        hang_up.poll()
        # not sys.exit: the main thread may be deep in a library that never looks up
        os._exit(0)
