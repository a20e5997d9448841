"""Where processes listen, by the kernel's /proc/net/tcp and tcp6."""

from collections.abc import Iterable
from ipaddress import ip_address

import psutil


def addresses(processes: Iterable[psutil.Process]) -> dict[tuple[str, int], str]:
    """Address and port of each socket that the processes and their children listen at, with the program's name."""
    tree = {member for process in processes for member in (process, *process.children(recursive=True))}
    return {
        (socket.laddr.ip, socket.laddr.port): process.name()
        for process in tree
        for socket in process.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN
    }


def reachable(listening: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    """Those that other machines can reach."""
    mapped = "::ffff:"
    return {
        place: name for place, name in listening.items() if not ip_address(place[0].removeprefix(mapped)).is_loopback
    }
