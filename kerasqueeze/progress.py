"""What a command says while it works."""

_quiet = False


def set_quiet(quiet: bool) -> None:
    """From now on say warnings alone, or everything."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Tell whether only warnings are said."""
    return _quiet
