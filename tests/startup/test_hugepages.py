"""A script that asks for huge pages and for memory that is kept, run for real."""

import os
import subprocess
import sys

import pytest

from kerasqueeze.startup import hugepages

SCRIPT = """
import os, sys
from kerasqueeze.startup import hugepages
print(os.getpid(), flush=True)
why_not = hugepages.ensure()
memory = bytearray(64 << 20)  # from glibc, and written to
pages = sum(int(line.split()[1]) for line in open("/proc/self/smaps") if line.startswith("AnonHugePages"))
print(os.getpid(), sys.argv[1:], why_not, pages, os.environ.get("GLIBC_TUNABLES"))
"""


def test_the_script_starts_once_more_with_huge_pages():
    if hugepages._hindrance() is not None or "[madvise]" not in hugepages.MODE.read_text():
        pytest.skip("no huge pages on request here")
    environment = {key: value for key, value in os.environ.items() if key not in (hugepages.GUARD, "GLIBC_TUNABLES")}
    environment["GLIBC_TUNABLES"] = "glibc.malloc.check=0"
    command = [sys.executable, "-c", SCRIPT, "a b", "--c"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    first, second, result = ran.stdout.splitlines()
    assert first == second == result.split()[0]  # the same process, twice from the start
    assert "['a b', '--c'] None" in result
    assert result.endswith(":".join(("glibc.malloc.check=0", *hugepages.TUNABLES)))
    assert int(result.split()[-2]) > 32 << 10  # kB


FAULTS = """
import resource, sys
from kerasqueeze.startup import hugepages
if sys.argv[1] == "ensure":
    hugepages.ensure()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = bytearray(64 << 20)
    for at in range(0, len(memory), 4096):
        memory[at] = 1
    del memory
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way: str) -> int:
    """Return how many pages the kernel had to give for 64 MB that were used once before."""
    environment = {key: value for key, value in os.environ.items() if key not in (hugepages.GUARD, "GLIBC_TUNABLES")}
    ran = subprocess.run(
        [sys.executable, "-c", FAULTS, way], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return int(ran.stdout)


def test_memory_that_was_given_back_comes_without_page_faults():
    if hugepages._hindrance() is not None:
        pytest.skip("no tunables here")
    assert faults("ensure") < 8
    assert faults("plain") > 16  # or the line above could not fail


@pytest.mark.parametrize(
    ("platform", "libc", "reason"),
    [
        ("darwin", ("", ""), "this is darwin"),
        ("linux", ("", ""), "another C library"),
        ("linux", ("glibc", "2.31"), "this is glibc 2.31"),
    ],
)
def test_where_glibc_cannot_be_told_the_reason_is(monkeypatch, platform, libc, reason):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.delenv(hugepages.GUARD, raising=False)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(hugepages.platform, "libc_ver", lambda: libc)
    assert reason in (hugepages.ensure() or "")


@pytest.mark.parametrize("mode", ["always madvise [never]", None])
def test_without_huge_pages_memory_is_kept_all_the_same(monkeypatch, tmp_path, mode):
    monkeypatch.setattr(hugepages, "_hindrance", lambda: None)
    monkeypatch.setattr(hugepages, "MODE", tmp_path / "mode")
    if mode is not None:
        hugepages.MODE.write_text(mode)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.delenv(hugepages.GUARD, raising=False)
    started = []

    def execve(path, arguments, environment):
        started.append(environment["GLIBC_TUNABLES"])
        raise SystemExit

    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(SystemExit):
        hugepages.ensure()
    assert started == [":".join(hugepages.TUNABLES)]
    monkeypatch.setenv(hugepages.GUARD, "1")
    assert "switched off" in (hugepages.ensure() or "")


def test_not_twice(monkeypatch, tmp_path):
    monkeypatch.setattr(hugepages, "_hindrance", lambda: None)
    monkeypatch.setattr(hugepages, "MODE", tmp_path / "mode")
    hugepages.MODE.write_text("always [madvise] never")
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    assert hugepages.ensure() is None
