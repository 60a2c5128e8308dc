"""Models that are made ready while the page is served."""

import json
import os

import pytest

from bodylens_models import catalogue, sources, store
from bodylens_server.preparation import Preparation
from bodylens_server.site import Site

MODEL = "movenet-lightning-int8"


@pytest.mark.skipif("BODYLENS_MIRROR" not in os.environ, reason="no mirror of the weights is named")
def test_what_is_missing_becomes_ready_while_something_else_runs(cache):
    with Preparation([MODEL]) as preparation:
        assert preparation.names() == [MODEL]
        preparation.process.wait(timeout=500)  # it leaves the machine to all others
        assert preparation.names() == []
    for label in catalogue.together([MODEL]):
        name, _, variant = label.partition("+")
        assert store.state(name, variant or None).state == "ready"
    assert Preparation([MODEL]).wanted == []


@pytest.mark.skipif("BODYLENS_MIRROR" not in os.environ, reason="no mirror of the weights is named")
def test_it_stops_when_the_server_does(cache):
    with Preparation([MODEL]) as preparation:
        assert preparation.process.poll() is None
    assert preparation.process.poll() is not None


def test_what_cannot_be_had_is_not_tried(cache, monkeypatch):
    monkeypatch.delenv("BODYLENS_MIRROR", raising=False)
    with Preparation([MODEL]) as preparation:
        assert preparation.process is None
        assert preparation.names() == []


def test_the_page_is_told_what_is_being_made_ready(cache, python_files, web):
    coming = ["movenet-thunder"]
    site = Site(python_files, web, coming=lambda: coming)

    def told(name):
        resource, _ = site.find(site.addresses["catalogue"])
        return next(entry for entry in json.loads(resource.read()) if entry["name"] == name)

    for label in ("movenet-thunder", "movenet-thunder+heads"):
        assert told(label)["url"] is None
        assert told(label)["why"] == "it is being made ready just now"
    assert told("movenet-thunder")["first"] == "movenet-thunder+heads"
    assert told("blazepose-heavy")["fetch"] == "Run `bodylens models fetch blazepose-heavy`, then try again."
    coming.clear()
    site.refresh()
    assert told("movenet-thunder")["fetch"] == "Run `bodylens models fetch movenet-thunder`, then try again."


def test_the_page_is_told_why_a_model_could_not_be_had(cache, python_files, web, monkeypatch):
    monkeypatch.delenv("BODYLENS_MIRROR", raising=False)

    def unreachable(*_args, **_kwargs):
        raise sources.DownloadError("nobody answers")

    monkeypatch.setattr(sources, "download", unreachable)
    with pytest.raises(store.ModelUnavailable):
        store.ensure("bodypix-050")
    site = Site(python_files, web)
    resource, _ = site.find(site.addresses["catalogue"])
    why = next(entry for entry in json.loads(resource.read()) if entry["name"] == "bodypix-050")["why"]
    assert "nobody answers" in why
    assert why.endswith("run: bodylens models fetch bodypix-050")
