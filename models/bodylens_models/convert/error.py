"""The one error that a conversion raises."""


class ConversionError(ValueError):
    """A file that cannot be converted: damaged, not what the catalogue names, or with an operator nobody taught us."""
