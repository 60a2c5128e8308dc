"""A page of model cards, written from the catalogue: what each model is for, takes and gives, and whose it is."""

from bodylens_models import catalogue
from bodylens_models.catalogue.entry import Entry, Input
from bodylens_models.progress import size

HEAD = """# Models

Written from the catalogue by `bodylens models cards`; change `models/bodylens_models/catalogue/`, not this page.
What each costs is in [the report](models-report.md).

No weights are part of this project. `bodylens models fetch NAME` gets them from where they were published, checks
their sha256 and converts them to ONNX; a variant is made with `bodylens models fetch NAME+VARIANT`, and variants are
joined by more plus signs. Every network takes one picture, float32 RGB, NCHW, with values in the range below.
"""


def page() -> str:
    """The whole page, Markdown."""
    entries = catalogue.entries()
    rows = [
        f"| [{name}](#{name}) | {entry.purpose} | {'-' if entry.unavailable else size(entry.source.bytes)} |"
        for name, entry in entries.items()
    ]
    table = "\n".join(["| model | what for | to fetch |", "| --- | --- | ---: |", *rows])
    return "\n".join([HEAD, table, "", *(card(entry) for entry in entries.values())])


def card(entry: Entry) -> str:
    """One model's card, Markdown."""
    given = entry.input
    lines = [
        f"## {entry.name}",
        "",
        f"**{entry.title}.** {entry.purpose}.",
        "",
        f"- licence and credit: {entry.licence}; {entry.credit}",
        f"- published: [{entry.card.split('/')[2]}]({entry.card})",
        f"- weights: {_source(entry)}",
        f"- input: {given.height} × {given.width} (height × width), {given.low:g} to {given.high:g}, "
        f"{_padding(given)}, {SAMPLERS[given.sampler]}",
    ]
    if entry.topology != "none":
        lines.append(f"- keypoints: {entry.topology}")
    lines.append("- outputs:")
    lines += [
        f"  - `{key}` {' × '.join(str(n) for n in output.shape)}: {output.meaning}"
        for key, output in entry.outputs.items()
    ]
    if entry.variants:
        lines.append("- variants:")
        lines += [f"  - `{name}`: {about}" for name, about in entry.variants.items()]
    return "\n".join([*lines, ""])


def _source(entry: Entry) -> str:
    if entry.unavailable:
        return entry.unavailable
    ways = []
    if any(file.urls for file in entry.source.files):
        ways.append("the official address")
    if entry.source.package:
        ways.append(f"npm package `{entry.source.package}`")
    if any(file.mirror for file in entry.source.files):
        ways.append("a mirror folder (`BODYLENS_MIRROR`)")
    return f"{size(entry.source.bytes)} from {' or '.join(ways)}; sha256 `{entry.source.sha256[:16]}…`"


SAMPLERS = {"average": "averaged where it is scaled down", "bilinear": "sampled bilinearly at any scale"}


def _padding(given: Input) -> str:
    if given.padding == "stretch":
        return "the region stretched to fill it"
    outside = "dark" if given.border == "zero" else "the picture's rim repeated"
    return f"the region's shape kept, the rest {outside}"
