"""What the machine refuses ends in one line and exit code 2, nothing half-written; in processes of their own."""

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_processes import ROOT, process
from PIL import Image

from kerasqueeze.commands import exits
from kerasqueeze.errors import Interrupted, UserError

KERASQUEEZE = ("-m", "kerasqueeze")
LIST = (*KERASQUEEZE, "run", "--list")
COMPARE = (*KERASQUEEZE, "compare", "fine_tuning_adam", "scratch_adam")
NOT_ROOT = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


@pytest.fixture
def out(tmp_path) -> Path:
    """A folder with the results of this repository."""
    shutil.copytree(ROOT / "CSV", tmp_path / "CSV")
    return tmp_path


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def as_another(words: list[str]) -> list[str]:
    """Return a command as a user whom rights hold back."""
    if os.geteuid():
        return words
    works = shutil.which("setpriv") and subprocess.run([*NOT_ROOT, "true"], capture_output=True).returncode == 0
    if not works:
        pytest.skip("root may do anything, and setpriv cannot change that here")
    return [*NOT_ROOT, *words]


@pytest.mark.parametrize(
    "command", ["run", "study", "report", "compare a b", "sweep --exp digits_scratch_adam", "bench"]
)
@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_an_out_that_is_a_file_is_refused_before_any_work(command, below, typed, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    code, _, err = typed(*command.split(), "--out", file / below)
    assert code == 2 and err == f"error: no results fit below '{file}', which is a file; name a folder: --out DIR\n"
    assert contents(tmp_path) == {file: b"mine"}


def test_a_csv_folder_that_is_a_file_is_refused_before_any_work(typed, tmp_path):
    (tmp_path / "CSV").touch()
    code, _, err = typed("run", "--out", tmp_path)
    assert code == 2 and f"no results fit below '{tmp_path / 'CSV'}', which is a file" in err


def test_a_folder_without_the_right_to_write_is_refused_before_any_work(tmp_path):
    tmp_path.chmod(0o555)
    words = as_another([sys.executable, *KERASQUEEZE, "run", "--out", str(tmp_path)])
    done = subprocess.run(words, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: no right to write in '{tmp_path}'; name another folder: --out DIR\n",
    )


def test_a_record_without_the_right_to_read_is_named(out):
    record = out / "CSV" / "scratch_adam.json"
    record.chmod(0)
    words = as_another([sys.executable, *COMPARE, "--out", str(out)])
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == f"error: Permission denied: '{record}'; ask for the right to it, or name another place\n"


def test_a_report_that_is_a_folder_leaves_all_as_it_was(out):
    (out / "REPORT.html").mkdir()
    before = contents(out)
    done = process(*KERASQUEEZE, "report", "--out", out)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{out / 'REPORT.html'} is a folder; move it away" in done.stderr
    assert contents(out) == before


def test_a_full_disk_is_named_with_the_file_and_the_old_file_stays(out, tmp_path_factory):
    picture = out / "PNG" / "fine_tuning_adam_VS_scratch_adam_combined.png"
    picture.parent.mkdir()
    picture.write_bytes(b"old")
    before = contents(out)
    done = subprocess.run(
        ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", sys.executable, "-B", *COMPARE, "--out", str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "MPLCONFIGDIR": str(tmp_path_factory.mktemp("matplotlib"))},  # else the user's is cut short
    )
    assert done.returncode == 2 and done.stdout == ""
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"error: File too large: '{picture}'; raise the limit"), done.stderr
    assert contents(out) == before


def test_without_a_home_folder_the_cache_has_to_be_named(tmp_path):
    script = tmp_path / "kerasqueeze.py"
    script.write_text(
        "import os, pwd, sys\n"
        "def no_such_user(uid):\n"
        "    raise KeyError(f'getpwuid(): uid not found: {uid}')\n"
        "pwd.getpwuid = no_such_user\n"
        f"sys.path[0] = {str(ROOT)!r}\n"
        "from kerasqueeze.commands.main import main\n"
        "main()\n"
    )
    unset = {key: value for key, value in os.environ.items() if key not in ("HOME", "KERASQUEEZE_CACHE")}
    environment = {**unset, "KERASQUEEZE_HUGE_PAGES": "1"}
    done = process(script, "run", "--out", tmp_path / "out", env=environment)
    assert done.returncode == 2
    assert done.stderr == (
        "error: '~/.cache' begins with a home folder that is not known; set KERASQUEEZE_CACHE to a folder\n"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--out", "--data-dir", "--weights"])
def test_the_home_folder_of_nobody_known_is_named(option, typed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if option == "--weights":
        code, _, err = typed("check-port", option, "~no-such-user/x")
    else:
        code, _, err = typed("run", option, "~no-such-user/x")
    assert code == 2 and err.count("\n") == 1
    assert "'~no-such-user/x' begins with a home folder that is not known; write the whole path" in err


def test_a_pipe_that_nobody_reads_ends_the_command_quietly():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, *LIST], stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_head_reads_a_line_and_nothing_is_said(tmp_path):
    done = process(*KERASQUEEZE, "run", "--help", shell="| head -n 1")
    assert (done.stdout, done.stderr) == ("usage: kerasqueeze run [OPTIONS]\n", "")


@pytest.mark.parametrize("unbuffered", [[], ["-u"]])
def test_standard_output_on_a_full_disk_is_named(unbuffered):
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    done = process(*unbuffered, *LIST, shell="> /dev/full")
    assert done.returncode == 2
    assert done.stderr.startswith("error: No space left on device: 'standard output'; free some space")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def compared(tmp_path_factory) -> subprocess.CompletedProcess[str]:
    """A comparison whose streams are open; `args` is the folder."""
    folder = tmp_path_factory.mktemp("compared")
    shutil.copytree(ROOT / "CSV", folder / "CSV")
    done = process(*COMPARE, "--out", folder)
    done.args = folder
    return done


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_change_neither_the_exit_code_nor_the_results(closed, out, compared):
    """Files that are opened must not get a closed stream's number, and with it what is printed."""
    done = process(*COMPARE, "--out", out, shell=closed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "Test accuracy" in compared.stdout
    assert (out / "CSV" / "summary.csv").read_bytes() == (compared.args / "CSV" / "summary.csv").read_bytes()
    with Image.open(out / "PNG" / "fine_tuning_adam_VS_scratch_adam_combined.png") as picture:
        picture.load()
    assert process(*KERASQUEEZE, "run", "--epochs", "-1", shell=closed).returncode == 2


def test_an_ascii_terminal_gets_what_it_can_show(tmp_path):
    ascii = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for command in ("run", "bench", "check-port"):
        done = process(*KERASQUEEZE, command, "--help", env=ascii)
        assert (done.returncode, done.stderr) == (0, "") and "\\" not in done.stdout
    done = process(
        "-c", "from kerasqueeze.commands import exits; exits.leave(lambda: print('H\\xfcndin \\u72ac'))", env=ascii
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "H\\xfcndin \\u72ac\n", "")
    done = process(*KERASQUEEZE, "report", "--out", "犬", env=ascii, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.isascii()


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (UserError("a\nb"), 2, "error: a\\nb"),
        (Interrupted(15, "stopped"), 143, "stopped"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "error: out of memory; use a smaller --batch-size or --image-size"),
        (OSError(errno.ENOSPC, "full"), 2, f"error: full: 'standard output'; {exits.REMEDIES[errno.ENOSPC]}"),
        (OSError("no number"), 2, "error: no number; check the path and the disk"),
        (
            OSError(errno.EIO, "Input/output error", "x"),
            2,
            "error: Input/output error: 'x'; check the path and the disk",
        ),
        (SystemExit(1), 1, None),
        (SystemExit(), 0, None),
    ],
)
def test_each_kind_of_end_has_its_code_and_its_line(raised, code, said, capsys):
    def command() -> None:
        raise raised

    with pytest.raises(SystemExit) as left:
        exits.leave(command)
    assert left.value.code == code
    assert capsys.readouterr().err == ("" if said is None else f"{said}\n")


def test_a_fault_of_ours_keeps_its_traceback(capsys):
    with pytest.raises(ZeroDivisionError):
        exits.leave(lambda: 1 / 0)


def test_every_remedy_is_a_line_of_its_own():
    assert all(re.fullmatch(r"[^.\n]+", remedy) for remedy in exits.REMEDIES.values())
