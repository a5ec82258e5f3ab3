"""Child processes that never outlive their parent, seen from the parent.

A child is a module of ours, run by the same interpreter; it makes a
:class:`~edgebatch.engines.parent_link.ParentLink` first of all. Messages, which are pickled Python
objects, go through its standard input and output. What it or its libraries print goes to standard
error, whose end is kept for error messages. The child ends with its parent in two ways: its
standard input ends, and on Linux the kernel kills it. For Linux and macOS.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType

from edgebatch.engines.endings import how_it_ended, kills_for_memory, last_words
from edgebatch.errors import EdgebatchError, EngineError, MissingExtraError

_HEADER = struct.Struct("!Q")
_TAIL_BYTES = 16_384
_LAST_WORDS_SECONDS = 0.5


def pack(message: object) -> bytes:
    """Return a message as it travels: eight bytes of length, then the pickle."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _HEADER.pack(len(body)) + body


class ChildProcess:
    """One child process, used from one event loop.

    The thread that runs the loop must live as long as the child is wanted: Linux counts the end of
    that thread as the parent's death.

    Args:
        module: dotted name of the module to run.
        arguments: its command line.
        name: what error messages call it.
        environment: variables set in addition to, or instead of, the parent's.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str] = (),
        *,
        name: str,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        # -P: a file in the working directory must not pass for a library
        self._command = [sys.executable, "-P", "-m", module, *arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._messages: asyncio.Queue[object] = asyncio.Queue()
        self._readers: tuple[asyncio.Task[None], ...] = ()
        self._tail = bytearray()
        self._unsent = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._failure: EngineError | None = None
        self._killed_for = ""
        self._kills_for_memory = 0

    async def start(self) -> None:
        """Start the process; whether it is ready it says by a message.

        Raises:
            EngineError: the operating system cannot start it.
        """
        self._kills_for_memory = kills_for_memory()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment,
                start_new_session=True,  # Ctrl+C is the parent's to handle
            )
        except OSError as error:
            raise EngineError(f"{self.name} cannot be started: {error}") from error
        self._loop = asyncio.get_running_loop()
        self._readers = (
            asyncio.create_task(self._read_messages(self._process)),
            asyncio.create_task(self._read_tail(self._process)),
        )

    @property
    def pid(self) -> int | None:
        """Process id; None before the start."""
        return None if self._process is None else self._process.pid

    @property
    def tail(self) -> str:
        """The last lines that it has written to standard error."""
        return self._tail.decode(errors="replace").strip()

    def send(self, message: object) -> None:
        """Send a message without waiting; to a dead child it goes nowhere.

        What is sent in one pass of the event loop arrives together, so that requests that are
        submitted together join at the same step.
        """
        if self._loop is None:
            raise EngineError(f"{self.name} has not been started")
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += pack(message)

    def _flush(self) -> None:
        unsent, self._unsent = bytes(self._unsent), bytearray()
        process = self._process
        if process is None or process.stdin is None:
            return
        if self._failure is None and process.returncode is None:
            process.stdin.write(unsent)

    async def receive(self, timeout_seconds: float | None = None) -> object:
        """Wait for the child's next message; an edgebatch error that it sends is raised.

        Raises:
            EngineError: the child has ended, or says nothing for ``timeout_seconds``.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                message = await self._messages.get()
        except TimeoutError:
            said = last_words(self.tail)
            raise EngineError(
                f"{self.name} has said nothing for {timeout_seconds:g} s{said}"
            ) from None
        if message is self._failure and self._failure is not None:
            self._messages.put_nowait(message)  # for whoever asks again
        if isinstance(message, EdgebatchError):
            raise message
        return message

    def kill(self, reason: str = "") -> None:
        """Kill it and all that it has started; ``reason`` becomes the error of later calls."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._killed_for = self._killed_for or reason
        _kill_group(process.pid)

    async def stop(self, grace_seconds: float = 2.0) -> None:
        """Ask it to end, kill it if it does not, and wait until it has; may be called twice."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
            async with asyncio.timeout(grace_seconds):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
        await process.wait()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                await process.stdin.wait_closed()

    def memory_bytes(self) -> int | None:
        """Return the resident memory of the child and all that it has started; None if it ended.

        Raises:
            MissingExtraError: psutil is not installed.
        """
        psutil = _psutil()
        if self._process is None or self._process.returncode is not None:
            return None
        total = 0
        try:
            child = psutil.Process(self._process.pid)
            for process in (child, *child.children(recursive=True)):
                total += process.memory_info().rss
        except psutil.NoSuchProcess:
            return total or None
        return total

    async def _read_messages(self, process: asyncio.subprocess.Process) -> None:
        stream = process.stdout
        if stream is None:
            return
        try:
            while True:
                (length,) = _HEADER.unpack(await stream.readexactly(_HEADER.size))
                self._messages.put_nowait(pickle.loads(await stream.readexactly(length)))
        except (asyncio.IncompleteReadError, OSError):
            pass
        # it may have closed its output and live on, which is no better than dead
        try:
            async with asyncio.timeout(0.5):
                await process.wait()
        except TimeoutError:
            self.kill(f"{self.name} closed its output")
            await process.wait()
        _kill_group(process.pid)
        # who has left its group may outlive it, and hold its standard error open
        tail = self._readers[1]
        await asyncio.wait([tail], timeout=_LAST_WORDS_SECONDS)
        tail.cancel()
        how = self._killed_for or (
            f"{self.name} {how_it_ended(process.returncode, self.tail, self._kills_for_memory)}"
        )
        self._failure = EngineError(how + last_words(self.tail))
        self._messages.put_nowait(self._failure)

    async def _read_tail(self, process: asyncio.subprocess.Process) -> None:
        stream = process.stderr
        while stream is not None and (piece := await stream.read(4096)):
            self._tail += piece
            del self._tail[:-_TAIL_BYTES]


def _kill_group(pid: int) -> None:
    """Kill a child, if it still lives, and all that it has started."""
    # macOS refuses where only the dead are left
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _psutil() -> ModuleType:
    try:
        import psutil
    except ImportError as error:
        raise MissingExtraError("measuring an engine's memory", "engine") from error
    return psutil
