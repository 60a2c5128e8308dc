"""Waiting for what a page does."""

import time

import pytest


def until(page, expression, seconds=120):
    """Wait for an expression to hold and give its value; the page's policy forbids playwright's own way."""
    end = time.monotonic() + seconds
    while not (value := page.evaluate(f"() => ({expression})")):
        if time.monotonic() > end:
            pytest.fail(f"{expression} never held: {page.inner_text('body')[:500]}")
        page.wait_for_timeout(25)
    return value


def settled_address(page):
    """Wait until the address says what is chosen, which it does a moment later."""
    until(page, "location.search.slice(1) === bodylens.settings.query")
    return page.url
