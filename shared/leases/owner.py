"""The name under which a process holds leases."""

import os
import re
import secrets
import socket
from typing import Final

_START: Final = re.compile(r"-\d+-[0-9a-f]{8}")


def is_start_of(owner: str, pod_name: str) -> bool:
    """Whether a name is that of a start of a pod, or the pod's start itself is named."""
    return owner == pod_name or (owner.startswith(pod_name) and bool(_START.fullmatch(owner[len(pod_name) :])))


def owner_name(pod_name: str | None = None) -> str:
    """Name of this start of this process, for people and for ever unique.

    The random part keeps two processes of one name, one after the other or by mistake at once, from sharing a lease:
    a pod of a StatefulSet has the name of the one before it.

    Parameters
    ----------
    pod_name
        What people call the process, the machine's name by default.
    """
    return f"{pod_name or socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
