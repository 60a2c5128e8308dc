"""What an option may be: whatever is not is refused in one sentence that names the option and its range.

Programs in other languages know one kind of number, so a whole one may come as a float: 5.0 is 5.
"""

from collections.abc import Iterable
from math import inf
from reprlib import repr as shortened
from typing import Any

import numpy as np

NUMBERS: tuple[Any, ...] = (int, float, np.integer, np.floating)


def whole(name: str, value: Any, low: int, high: float = inf) -> int:  # noqa: ANN401
    """Take an option that counts.

    Args:
        name: of the option.
        value: what was given.
        low: the least that is allowed.
        high: the most that is allowed.

    Raises:
        ValueError: it is no whole number from `low` to `high`.

    """
    if not (_is_number(value) and low <= value <= high and value == int(value)):
        raise ValueError(f"{name} must be a whole number{_range(low, high, False)}, not {_said(value)}")
    return int(value)


def number(name: str, value: Any, low: float = -inf, high: float = inf, above: bool = False) -> float:  # noqa: ANN401
    """Take an option that measures.

    Args:
        name: of the option.
        value: what was given.
        low: the least that is allowed.
        high: the most that is allowed.
        above: `low` itself is not allowed.

    Raises:
        ValueError: it is no finite number in that range.

    """
    if not (_is_number(value) and low <= value <= high and not (above and value == low)):
        raise ValueError(f"{name} must be a number{_range(low, high, above)}, not {_said(value)}")
    return float(value)


def choice(name: str, value: Any, among: Iterable[str]) -> str:  # noqa: ANN401
    """Take an option that is one of a few words.

    Raises:
        ValueError: it is none of them.

    """
    words = tuple(among)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} must be {' or '.join(words)}, not {_said(value)}")
    return value


def flags(**options: Any) -> None:  # noqa: ANN401
    """Refuse switches that are neither on nor off: a text, such as "no", would count as on.

    Raises:
        ValueError: one is neither True nor False; 1 and 0, as an address has them, will do.

    """
    for name, value in options.items():
        if not isinstance(value, (bool, np.bool_)) and not (_is_number(value) and value in (0, 1)):
            raise ValueError(f"{name} must be True or False, not {_said(value)}")


def _is_number(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, NUMBERS) and not isinstance(value, bool) and bool(abs(value) < inf)


def _range(low: float, high: float, above: bool) -> str:
    if above:
        return f" above {low:g}" + ("" if high == inf else f" and at most {high:g}")
    if high < inf:
        return f" from {low:g} to {high:g}"
    return "" if low == -inf else f" of at least {low:g}"


def _said(value: Any) -> str:  # noqa: ANN401
    return str(value) if isinstance(value, NUMBERS) else " ".join(shortened(value).split())
