"""llama.cpp's server, as somebody would run it: FILE PORT SLOTS CONTEXT_TOKENS NAME."""

import signal
import sys

import xllamacpp


def main() -> None:
    file, port, slots, context_tokens, name = sys.argv[1:]
    wanted = xllamacpp.CommonParams()
    wanted.model.path = file
    wanted.model_alias = {name}
    wanted.port = int(port)
    wanted.n_parallel = int(slots)
    wanted.n_ctx = int(context_tokens)
    wanted.n_threads_http = 2 * int(slots) + 8
    wanted.endpoint_metrics = True
    server = xllamacpp.Server(wanted)
    print(server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
