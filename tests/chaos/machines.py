"""Where the parts of the service run: all on this machine, or on machines that are network namespaces."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "10.213.97"
GATEWAY = f"{PREFIX}.1"
BRIDGE = "catvq-net"
PORT = 8000


@dataclass
class Machine:
    """A place for an API and some workers, with a disk of its own.

    Args:
        url: Of its API.
        command: What processes there are started by.
        environment: Of its processes.
        root: Of the version of catvq that runs there.
    """

    name: str
    data_dir: Path
    url: str
    workers: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    root: Path = Path(__file__).parents[2]

    def wipe(self):
        """Have an empty disk."""
        shutil.rmtree(self.data_dir, ignore_errors=True)


class Host(Machine):
    """A machine in a network namespace of its own, linked with the one that this process is in."""

    def __init__(self, number, directory, environment, root):
        self.is_cut = False
        self.namespace = f"catvq-{os.getpid()}-{number}"
        self.link = f"catvq-{number}"
        address = f"{PREFIX}.{10 + number}"
        super().__init__(
            name=f"host-{number}",
            data_dir=directory / f"host-{number}",
            url=f"http://{address}:{PORT}",
            workers=(f"worker-{number}",),
            command=("ip", "netns", "exec", self.namespace),
            environment=environment
            | {"CATVQ_HOST": "0.0.0.0", "CATVQ_TRUSTED_NETWORK": "true", "CATVQ_PORT": str(PORT)},
            root=root,
        )
        ip("netns", "add", self.namespace)
        ip("link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.namespace)
        ip("link", "set", self.link, "master", BRIDGE, "up")
        inside = ("-n", self.namespace)
        ip(*inside, "link", "set", "lo", "up")
        ip(*inside, "address", "add", f"{address}/24", "dev", "eth0")
        ip(*inside, "link", "set", "eth0", "up")

    def cut(self, *, is_cut=True):
        """Pull the plug out, or put it in again: nothing on either side is told."""
        ip("link", "set", self.link, "down" if is_cut else "up")
        self.is_cut = is_cut

    def close(self):
        ip("netns", "delete", self.namespace)


def make_network():
    """Make, in the namespace of this process, the bridge that links hosts; the namespace takes it along."""
    ip("link", "set", "lo", "up")
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")


def ip(*words):
    subprocess.run(["ip", *words], check=True)
