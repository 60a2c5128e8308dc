"""The converter's version."""

# Part of the cache's key: raise it when a conversion gives other bytes than before.
VERSION = 6
