"""`kubectl:[NAMESPACE/]POD[/CONTAINER][:INTERFACE]`: a pod, by the kubectl of this machine and its
current context. The containers of a pod share its network.
"""

from __future__ import annotations

from lbtrace.live.place import NAME, PlaceKind, Reached
from lbtrace.live.tcpdump import Command

NO_TCPDUMP = (
    "Add a container that has tcpdump: kubectl debug POD --image=nicolaka/netshoot -c tap -- sleep "
    "3600, then name that one: kubectl:NAMESPACE/POD/tap"
)


def _read(rest: str) -> Reached | None:
    path, colon, interface = rest.partition(":")
    names = path.split("/")
    if len(names) > 3 or not all(map(NAME.match, names)) or (colon and not interface):
        return None
    namespace = ("-n", names[0]) if len(names) > 1 else ()
    pod = names[0] if len(names) == 1 else names[1]
    container = ("-c", names[2]) if len(names) > 2 else ()

    def around(command: Command, _sudo: bool) -> list[str]:
        return ["kubectl", "exec", "-i", *namespace, pod, *container, "--", *command.words("")]

    return Reached(interface, around)


KIND = PlaceKind(
    "kubectl",
    "kubectl:[NAMESPACE/]POD[/CONTAINER][:INTERFACE]",
    "a pod, by kubectl",
    _read,
    (
        ("tcpdump: not found", NO_TCPDUMP),
        ("tcpdump: command not found", NO_TCPDUMP),
        ("executable file not found", NO_TCPDUMP),
        ("permission to", "The container needs the capability NET_RAW, and to run as root."),
        (
            "operation not permitted",
            "The container needs the capability NET_RAW, and to run as root.",
        ),
        ("notfound", "There are: kubectl get pods --all-namespaces"),
        ("container not found", "There are: kubectl get pods --all-namespaces"),
        ("is not valid for pod", "It names the containers: kubectl describe pod POD"),
        ("forbidden", "Your account needs the right to create pods/exec."),
        ("connection to the server", "Is the cluster up? Try: kubectl get pods"),
    ),
)
