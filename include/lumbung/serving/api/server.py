"""`lumbung models serve`: the API in a server of its own process."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import socket
import sys
from collections.abc import Callable

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings

PORT = 8000
# A look at a bucket is a request that is billed; one at a folder costs nothing.
FOLDER_POLL_SECONDS, BUCKET_POLL_SECONDS = 0.25, 10.0
CLOSE_SECONDS = 10
# Longer than what load balancers and pools of clients keep a connection for: the client is the one to close it.
IDLE_SECONDS = 75


def serve(
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = PORT,
    say: Callable[[str], object] = lambda line: sys.stderr.write(f"{line}\n"),
) -> None:
    """Serve the models of the newest release until the process is told to stop (SIGINT, SIGTERM).

    Args:
        settings: where the lake is, and who is let in.
        host: address to listen at.
        port: to listen at; 0: any that is free.
        say: is given where it listens and where a key is.

    Raises:
        LumbungError: the address is taken or not this machine's, or the keys cannot be read.
    """
    import uvicorn
    from threadpoolctl import threadpool_limits

    from lumbung.serving.api.app import Application
    from lumbung.serving.api.keys import open_keys
    from lumbung.serving.api.served import Library
    from lumbung.storage.lake import open_lake

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    keys = open_keys(settings.api, settings.home, say)
    with _listening(host, port) as listener, threadpool_limits(1):  # a request is too small for more threads
        poll_seconds = FOLDER_POLL_SECONDS if settings.lake_folder else BUCKET_POLL_SECONDS
        application = Application(Library(open_lake(settings)), keys, settings.api.rate, poll_seconds)
        config = uvicorn.Config(
            application,
            loop="asyncio",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=CLOSE_SECONDS,
        )
        address, bound = listener.getsockname()[:2]
        say(f"Serving models at http://{f'[{address}]' if ':' in address else address}:{bound}")
        if not ipaddress.ip_address(address).is_loopback:
            say("Keys and answers cross the network unencrypted: put a server that speaks TLS before it")
        with contextlib.suppress(KeyboardInterrupt):  # raised again when all is closed
            uvicorn.Server(config).run(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        LumbungError: it cannot.
    """
    try:
        # With its protocol named: asyncio sets TCP_NODELAY on no other, and answers would wait 40 ms for an ACK.
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, proto=socket.IPPROTO_TCP)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        raise LumbungError(
            f"the API cannot listen there ({error.strerror})",
            where=f"{host}:{port}",
            remedy="choose another --port or --host",
        ) from error
    return listener
