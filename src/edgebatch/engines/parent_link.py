"""The child's end of :mod:`edgebatch.engines.process`."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import queue
import signal
import struct
import sys
import threading
from typing import BinaryIO

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
        self._input = os.fdopen(os.dup(0), "rb")
        self._output = os.fdopen(os.dup(1), "wb")
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - a device, not a path
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        self._sending = threading.Lock()
        self._received: queue.SimpleQueue[object] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, message: object) -> None:
        """Send a message; from any thread."""
        data = pack(message)
        with self._sending, contextlib.suppress(BrokenPipeError):
            self._output.write(data)
            self._output.flush()

    def receive(self, timeout_seconds: float | None = None) -> object:
        """Wait for the next message.

        Raises:
            TimeoutError: none came within ``timeout_seconds``; 0 does not wait.
        """
        try:
            if timeout_seconds == 0:
                return self._received.get_nowait()
            return self._received.get(timeout=timeout_seconds)
        except queue.Empty:
            raise TimeoutError from None

    def _read(self) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                (length,) = _HEADER.unpack(_read_exactly(self._input, _HEADER.size))
                self._received.put(pickle.loads(_read_exactly(self._input, length)))
        # not sys.exit: the main thread may be deep in a library that never looks up
        os._exit(0)


def _read_exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
