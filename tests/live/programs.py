"""Programs of tcpdump's, ssh's, docker's and kubectl's names that do what those do, as far as
lbtrace can tell, without packets, machines or clusters.

tcpdump "captures" the file that is named after its interface. The others run what they are given
here. Each tcpdump leaves its process id, and the words it was started with, in `notes`.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

TCPDUMP = """#!/bin/sh
interface=; for word; do [ "$before" = -i ] && interface=$word; before=$word; done
echo $$ >"{notes}/$interface.pid"
for word; do printf '%s\\0' "$word"; done >"{notes}/$interface.words"
if [ -e "{notes}/$interface.fails" ]; then cat "{notes}/$interface.fails" >&2; exit 1; fi
end() {{ cat "{notes}/counts" >&2; exit 0; }}
trap end TERM
cat "{notes}/$interface.pcap"
echo "tcpdump: listening on $interface, link-type EN10MB (Ethernet)" >&2
for once in $(seq 3000); do [ ! -e "{notes}/$interface.dies" ] || break; sleep 0.02; done
echo "tcpdump: pcap_loop: The interface disappeared" >&2
exit 1
"""
OTHERS = {
    "ssh": '#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n',
    "docker": '#!/bin/sh\n[ "$1" = exec ] || exit 9\nshift\n[ "$1" != -i ] || shift\n'
    'shift\nexec "$@"\n',
    "kubectl": '#!/bin/sh\n[ "$1 $2" = "exec -i" ] || exit 9\n'
    'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n',
    "sudo": '#!/bin/sh\n[ "$1" = -n ] || exit 9\nshift\nexec "$@"\n',
}
COUNTS = """7 packets captured
10 packets received by filter
3 packets dropped by kernel
"""


class Programs:
    """The programs, in a folder that goes in front of PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notes = folder / "notes"
        self.notes.mkdir()
        (self.notes / "counts").write_text(COUNTS)
        for name, script in {"tcpdump": TCPDUMP.format(notes=self.notes), **OTHERS}.items():
            (folder / name).write_text(script)
            (folder / name).chmod(0o755)

    @property
    def path(self) -> str:
        """PATH with them in front."""
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"

    def captures(self, interface: str, packets: Path) -> None:
        """What tcpdump captures on an interface."""
        (self.notes / f"{interface}.pcap").write_bytes(packets.read_bytes())

    def words(self, interface: str) -> list[str]:
        """What tcpdump was started with."""
        return (self.notes / f"{interface}.words").read_bytes().decode().split("\0")[:-1]

    def runs(self, interface: str) -> bool:
        """Whether the tcpdump of an interface is there, after it had a moment to go."""
        file = self.notes / f"{interface}.pid"
        if not file.exists():  # it was ended before it began
            return False
        number = int(file.read_text())
        until = time.monotonic() + 5
        while _is_there(number) and time.monotonic() < until:
            time.sleep(0.02)
        return _is_there(number)


def _is_there(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
