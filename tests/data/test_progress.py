import io

from kerasqueeze.data.progress import Progress, TerminalProgress


def test_without_a_terminal_one_line_a_task():
    stream = io.StringIO()
    progress = TerminalProgress(stream)
    for task in ("copying", "decoding"):
        for done in range(1, 501):
            progress.update(task, done, 500)
    assert stream.getvalue().splitlines() == ["copying: 500 of 500 photos, 0 s", "decoding: 500 of 500 photos, 0 s"]


def test_on_a_terminal_a_bar_and_then_the_line(terminal):
    pty = terminal(100)
    progress = TerminalProgress(pty.stream)
    progress.update("decoding", 1, 500)
    progress.note("left out: x.jpg")
    for done in range(2, 501):
        progress.update("decoding", done, 500)
    pty.read()
    assert pty.screen() == ["left out: x.jpg", "decoding: 500 of 500 photos, 0 s"]
    assert "decoding:   0%|" in pty.text and "1/500" in pty.text and "photo" in pty.text


def test_silence_is_silent(capsys):
    Progress().update("decoding", 1, 2)
    Progress().note("x")
    assert capsys.readouterr() == ("", "")
