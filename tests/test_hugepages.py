"""A script that asks for huge pages, run for real."""

import os
import subprocess
import sys

import pytest

from kerasqueeze import hugepages

SCRIPT = """
import os, sys
from kerasqueeze import hugepages
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
    assert result.endswith("glibc.malloc.check=0:glibc.malloc.hugetlb=1")
    assert int(result.split()[-2]) > 32 << 10  # kB


@pytest.mark.parametrize(
    ("platform", "libc", "mode", "reason"),
    [
        ("darwin", ("", ""), "[madvise]", "this is darwin"),
        ("linux", ("", ""), "[madvise]", "another C library"),
        ("linux", ("glibc", "2.31"), "[madvise]", "this is glibc 2.31"),
        ("linux", ("glibc", "2.36"), "always madvise [never]", "switched off"),
        ("linux", ("glibc", "2.36"), None, "switched off"),
    ],
)
def test_where_there_are_none_the_reason_is_told(monkeypatch, tmp_path, platform, libc, mode, reason):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.delenv(hugepages.GUARD, raising=False)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(hugepages.platform, "libc_ver", lambda: libc)
    monkeypatch.setattr(hugepages, "MODE", tmp_path / "mode")
    if mode is not None:
        hugepages.MODE.write_text(mode)
    assert reason in (hugepages.ensure() or "")


def test_not_twice(monkeypatch):
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("started again"))
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    assert hugepages.ensure() is None
