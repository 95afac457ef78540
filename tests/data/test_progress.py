import io

from kerasqueeze.data.progress import Progress, TerminalProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_one_line_a_task():
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    for task in ("copying", "decoding"):
        for done in range(1, 501):
            progress.update(task, done, 500)
    assert stream.getvalue().splitlines() == ["copying: 500 of 500 photos, 0 s", "decoding: 500 of 500 photos, 0 s"]


def test_on_a_terminal_the_line_counts_and_notes_do_not_garble_it():
    stream = Terminal()
    progress = TerminalProgress(stream)
    progress.update("decoding", 1, 500)
    progress.note("left out: x.jpg")
    for done in range(2, 501):
        progress.update("decoding", done, 500)
    text = stream.getvalue()
    lines = [line.rpartition("\x1b[K")[2] for line in text.split("\n")]
    assert lines == ["left out: x.jpg", "decoding: 500 of 500 photos, 0 s", ""]
    assert 2 <= text.count("decoding:") < 100


def test_silence_is_silent(capsys):
    Progress().update("decoding", 1, 2)
    Progress().note("x")
    assert capsys.readouterr() == ("", "")
