"""-o DIR: nothing is left of a run that wrote nothing, whatever ended it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lbtrace.cli.folder import made_folder
from lbtrace.errors import OptionError

WRITES = """
import os, signal, sys
from lbtrace.capture.source import open_source
from lbtrace.cli.atomic import replaced
from lbtrace.cli.folder import made_folder
from lbtrace.cli.truncated import tell_truncation
tell_truncation(2)
source = open_source("a.pcap")
with made_folder("made"):
    if {complete}:
        with replaced("made/first") as out:
            out.write("all of it")
    with replaced("made/second") as out:
        out.write("half of it")
        out.flush()
        {ends}
        print(sum(bytes(source.data)))
"""
ENDS = {
    "a capture is truncated": 'os.truncate("a.pcap", 100)',
    "told to end": "signal.raise_signal(signal.SIGTERM)",
    "the terminal is gone": "signal.raise_signal(signal.SIGHUP)",
    "Ctrl-C": "signal.raise_signal(signal.SIGINT)",
    "no room": "raise OSError(28, 'No space left on device')",
    "no memory": "raise MemoryError",
}


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="no signal tells of it here")
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("complete", [False, True])
def test_only_what_is_complete_is_left(tmp_path: Path, ends: str, complete: bool) -> None:
    (tmp_path / "a.pcap").write_bytes(bytes(1 << 20))
    program = WRITES.format(ends=ends, complete=complete)
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode not in (0, -signal.SIGTERM, -signal.SIGHUP, -signal.SIGBUS)
    assert sorted(os.listdir(tmp_path)) == (["a.pcap", "made"] if complete else ["a.pcap"])
    assert not complete or os.listdir(tmp_path / "made") == ["first"]


@pytest.mark.parametrize("written", [False, True])
def test_folders_above_it_are_made_and_removed_with_it(tmp_path: Path, written: bool) -> None:
    (tmp_path / "there").mkdir()
    with made_folder(f"{tmp_path}/there/one/two"):
        assert (tmp_path / "there/one/two").is_dir()
        if written:
            (tmp_path / "there/one/two/file").touch()
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")}
    above = {"there/one", "there/one/two", "there/one/two/file"}
    assert left == {"there", *(above if written else ())}


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with made_folder(str(tmp_path)):
        pass
    assert tmp_path.is_dir()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="file/made: "), made_folder(str(tmp_path / "file/made")):
        pass
