"""Probabilities as people read them."""

from django import template

register = template.Library()


@register.filter
def percent(share: float) -> str:
    """Return a probability in percent: 93 %, never 100 % or 0 % where it is neither."""
    if 0.995 <= share < 1:
        return "> 99 %"
    if 0 < share < 0.01:
        return "< 1 %"
    return f"{share:.0%}".replace("%", " %")
