"""The loop a script with dpkt would begin with: every packet parsed, heads that begin in a segment
parsed, nothing reassembled.
"""

from __future__ import annotations

import sys

import dpkt


def main(path: str) -> None:
    packets = messages = 0
    with open(path, "rb") as file:
        for _, octets in dpkt.pcap.Reader(file):
            packets += 1
            ip = dpkt.ethernet.Ethernet(octets).data
            if (
                not isinstance(ip, dpkt.ip.IP)
                or not isinstance(ip.data, dpkt.tcp.TCP)
                or not ip.data.data
            ):
                continue
            payload = ip.data.data
            try:
                if payload.startswith(b"HTTP/"):
                    dpkt.http.Response(payload)
                elif payload[:4] in (b"GET ", b"POST", b"PUT "):
                    dpkt.http.Request(payload)
                else:
                    continue
            except dpkt.UnpackError:
                continue
            messages += 1
    print(packets, messages)


if __name__ == "__main__":
    main(sys.argv[1])
