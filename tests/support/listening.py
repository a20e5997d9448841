"""Where processes listen, as the kernel's /proc/net/tcp and tcp6 tell."""

from collections.abc import Iterable
from ipaddress import ip_address

import psutil


def addresses(processes: Iterable[psutil.Process]) -> dict[tuple[str, int], str]:
    """Address and port of each socket that the processes and their children listen at, with the program's name."""
    tree = {one for process in processes for one in (process, *process.children(recursive=True))}
    return {
        (socket.laddr.ip, socket.laddr.port): process.name()
        for process in tree
        for socket in process.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN
    }


def others(found: dict[tuple[str, int], str]) -> dict[tuple[str, int], str]:
    """Those that other machines reach."""
    mapped = "::ffff:"
    return {place: name for place, name in found.items() if not ip_address(place[0].removeprefix(mapped)).is_loopback}
