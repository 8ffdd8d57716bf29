"""A Python that starts with Keras imported, and nothing of kerasnets: the import takes
longer than what most tests let a process of their own do.

`executable` is the path of a program to start in the place of `sys.executable`. It asks
a server, which has the imports, to fork a process with its arguments, environment,
working folder and streams; passes signals on; and ends as that process ends. If it is
killed, so is the process.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import types
from pathlib import Path

_PASSED_ON = (signal.SIGINT, signal.SIGTERM)
_servers: dict[str, str] = {}


def executable(backend: str | None = None) -> str:
    """A program to start, whose Keras runs on `backend`, or on that of the tests, with
    -c or -m, and -P before it."""
    backend = backend or os.environ["KERAS_BACKEND"]
    if backend not in _servers:
        folder = tempfile.TemporaryDirectory(prefix="warm-python-")
        address = str(Path(folder.name) / "socket")
        paths = [str(Path(one).absolute()) for one in sys.path]
        environment = {
            "JAX_PLATFORMS": "cpu",
            **os.environ,
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(paths),
        }
        # It ends when its standard input does.
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert server.stdin is not None and server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        program = Path(folder.name) / "python"
        words = f'"{sys.executable}" -IS "{__file__}" ask "{address}" "$@"'
        program.write_text(f"#!/bin/sh\nexec {words}\n")
        program.chmod(0o755)
        atexit.register(folder.cleanup)
        atexit.register(server.wait)
        atexit.register(server.stdin.close)
        _servers[backend] = str(program)
    return _servers[backend]


def _ask(address: str, arguments: list[str]) -> None:
    """What the program does."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        request = {"arguments": arguments, "folder": str(Path.cwd())}
        words = json.dumps({**request, "environment": dict(os.environ)}).encode()
        head = len(words).to_bytes(4, "big")
        socket.send_fds(connection, [head], [0, 1, 2])
        connection.sendall(words)
        process = int.from_bytes(connection.recv(4), "big")
        for number in _PASSED_ON:
            signal.signal(number, lambda number, frame: os.kill(process, number))
        status = int.from_bytes(connection.recv(4), "big", signed=True)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _serve(address: str) -> dict:
    """Fork processes until standard input ends; returns the request in each of them."""
    import keras  # noqa: F401

    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen()
    print("ready", flush=True)
    asked_by: dict[socket.socket, int] = {}
    while True:
        ready, _, _ = select.select([0, woken, listener, *asked_by], [], [])
        if 0 in ready:
            for process in asked_by.values():
                os.kill(process, signal.SIGKILL)
            sys.exit()
        if woken in ready:
            os.read(woken, 1024)
            for connection, process in list(asked_by.items()):
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    code = os.waitstatus_to_exitcode(status)
                    with contextlib.suppress(OSError):
                        connection.sendall(code.to_bytes(4, "big", signed=True))
                    connection.close()
                    del asked_by[connection]
        elif listener in ready:
            connection, _ = listener.accept()
            head, streams, _, _ = socket.recv_fds(connection, 4, 3)
            size, words = int.from_bytes(head, "big"), b""
            while len(words) < size:
                words += connection.recv(size - len(words))
            process = os.fork()
            if not process:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for number, stream in enumerate(streams):
                    os.dup2(stream, number)
                for one in (listener, connection, *asked_by):
                    one.close()
                for one in (*streams, woken, wake):
                    os.close(one)
                return json.loads(words)
            for stream in streams:
                os.close(stream)
            connection.sendall(process.to_bytes(4, "big"))
            asked_by[connection] = process
        else:
            for connection in set(ready) & set(asked_by):
                # Killed: it sends nothing.
                os.kill(asked_by[connection], signal.SIGKILL)


def _become(request: dict) -> None:
    """Do what `python *arguments` does."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    own = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    words = request["arguments"]
    safe = words[0] == "-P"
    first = [] if safe else [""]
    rest = [one for one in sys.path if one not in own]
    sys.path[:] = [*first, *filter(None, own), *rest]
    # Made anew: they remember whether those of the server could be seeked.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    how, what, *arguments = words[safe:]
    sys.argv = [how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert how == "-c"
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(what, "<string>", "exec"), main.__dict__)


if __name__ == "__main__":
    _, order, place, *rest = sys.argv
    if order == "ask":
        _ask(place, rest)
    _become(_serve(place))
