"""Compiles the core of lbtrace where a C compiler and Python.h are there; nothing fails without
(docs/design/0016). Hatchling calls it for wheels and editable installs;
`python hatch_build.py [FLAG…]` compiles in the checkout, as `make core` does.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import sysconfig
from hashlib import sha256
from pathlib import Path

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by itself
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).parent
ROOM = ROOT / "lbtrace" / "compiled"
BUILT = "_core.abi3.so"
SWITCH = "LBTRACE_COMPILED"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-O3", "-fvisibility=hidden", "-fno-strict-aliasing")


def sources(room: Path = ROOM) -> list[Path]:
    """The C files."""
    return sorted(room.glob("*.c"))


def digest(room: Path = ROOM) -> str:
    """What tells one state of the C files from another."""
    texts = b"".join(path.read_bytes() for path in sorted((*room.glob("*.c"), *room.glob("*.h"))))
    return sha256(texts).hexdigest()[:16]


def compile_core(target: Path, flags: tuple[str, ...] = STRICT) -> str:
    """Compile the core into `target`; "" when that is done, else why it is not."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH} is 0"
    if os.name != "posix":
        return "it is compiled on POSIX systems only"
    include = Path(sysconfig.get_path("include"))
    if not (include / "Python.h").exists():
        return "Python.h is not there"
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    shared = (
        ["-shared"] if sys.platform != "darwin" else ["-bundle", "-undefined", "dynamic_lookup"]
    )
    made = target.with_suffix(f".{os.getpid()}")
    command = [
        *compiler,
        *flags,
        "-fPIC",
        *shared,
        f"-I{include}",
        f'-DSOURCES="{digest()}"',
        *shlex.split(os.environ.get("CFLAGS", "")),
        *map(str, sources()),
        *shlex.split(os.environ.get("LDFLAGS", "")),
        "-o",
        str(made),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
        made.replace(target)  # at once: a process that uses the old one keeps it
    except FileNotFoundError:
        return f"there is no C compiler ({compiler[0]})"
    except OSError as failed:
        return f"the C compiler could not be run: {failed.strerror}"
    except subprocess.CalledProcessError as failed:
        said = [line for line in failed.stderr.splitlines() if "error" in line]
        exit_code = f"{compiler[0]}: exit code {failed.returncode}"
        return f"the C compiler failed: {said[0] if said else exit_code}"
    finally:
        made.unlink(missing_ok=True)
    return ""


class CoreHook(BuildHookInterface):
    """The step of the build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, object]) -> None:
        """Compile into the room; tell hatchling what the wheel is good for."""
        if self.target_name != "wheel":
            return
        target = ROOM / BUILT
        target.unlink(missing_ok=True)  # an old one must not go with new Python files
        why = compile_core(target)
        if why:
            self.app.display_warning(f"lbtrace is installed as pure Python: {why}.")
            return
        build_data["artifacts"] = [f"lbtrace/compiled/{BUILT}"]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"cp311-abi3-{platform}"


def main() -> int:
    """Compile in the checkout, with more flags of the compiler if any are given."""
    why = compile_core(ROOM / BUILT, (*STRICT, *sys.argv[1:]))
    print(f"lbtrace stays pure Python: {why}." if why else f"made {BUILT}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
