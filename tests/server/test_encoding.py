"""Which encoding a browser gets, and how the variants are made."""

import gzip
import os

import brotli
import pytest

from bodylens_server.encoding import Encodings, NotAcceptable, negotiate
from bodylens_server.resource import from_bytes, from_file

BOTH = ["br", "gzip"]
TEXT = b"the same words again and again. " * 200


@pytest.mark.parametrize(
    ("accepted", "available", "chosen"),
    [
        (None, BOTH, "identity"),
        ("", BOTH, "identity"),
        ("br", BOTH, "br"),
        ("gzip, deflate, br, zstd", BOTH, "br"),
        ("gzip, deflate, br, zstd", ["gzip"], "gzip"),
        ("gzip, deflate, br, zstd", [], "identity"),
        ("GZIP", BOTH, "gzip"),
        ("x-gzip", BOTH, "gzip"),
        ("br;q=0.5, gzip;q=0.8", BOTH, "gzip"),
        ("br;q=0, gzip", BOTH, "gzip"),
        ("br;q=0, gzip;q=0", BOTH, "identity"),
        ("*", BOTH, "br"),
        ("*;q=0.1, gzip;q=0.2", BOTH, "gzip"),
        ("br;q=0, *", BOTH, "gzip"),
        ("identity, br;q=0.5", BOTH, "identity"),
        ("identity;q=0, br", BOTH, "br"),
        ("br ; q = 0.9 , gzip ; q = 1", BOTH, "gzip"),
        ("br;q=often", BOTH, "identity"),
        ("br;q=7, gzip", BOTH, "gzip"),
        ("gzip;level=9", BOTH, "gzip"),
        (",;,;q=1", BOTH, "identity"),
    ],
)
def test_the_best_encoding_that_both_sides_have_is_chosen(accepted, available, chosen):
    assert negotiate(accepted, available) == chosen


@pytest.mark.parametrize("accepted", ["identity;q=0", "*;q=0", "identity;q=0, zstd"])
def test_when_nothing_is_left_there_is_no_answer(accepted):
    with pytest.raises(NotAcceptable):
        negotiate(accepted, [])


@pytest.mark.parametrize(("coding", "inflate"), [("br", brotli.decompress), ("gzip", gzip.decompress)])
def test_a_variant_inflates_to_the_original(encodings, coding, inflate):
    resource = from_bytes(TEXT, ".js")
    assert encodings.available(resource) == []
    encodings.make(resource, coding)
    assert encodings.available(resource) == [coding]
    assert inflate(encodings.path(resource, coding).read_bytes()) == TEXT


@pytest.mark.parametrize(
    "resource",
    [from_bytes(os.urandom(5000), ".onnx"), from_bytes(TEXT, ".png"), from_bytes(b"short", ".js")],
    ids=["noise", "a picture", "a few bytes"],
)
def test_what_does_not_shrink_has_no_variant(encodings, resource):
    encodings.make_all([resource])
    assert encodings.available(resource) == []


def test_a_variant_is_made_once(encodings):
    resource = from_bytes(TEXT, ".js")
    encodings.make(resource, "br")
    path = encodings.path(resource, "br")
    os.utime(path, (1, 1))
    encodings.make(resource, "br")
    assert path.stat().st_mtime == 1


def test_weights_have_no_gzip_and_no_variant_that_saves_a_twentieth(encodings):
    noise = os.urandom(9_500)
    weights = [from_bytes(TEXT, ".onnx"), from_bytes(noise + bytes(500), ".onnx")]
    encodings.make_all(weights)
    assert [encodings.available(resource) for resource in weights] == [["br"], []]


def test_a_static_site_has_time_for_the_best_gzip(encodings, cache):
    resource = from_bytes(TEXT, ".js")
    patient = Encodings(static=True)
    patient.make(resource, "gzip")
    assert encodings.available(resource) == []
    assert gzip.decompress(patient.path(resource, "gzip").read_bytes()) == TEXT
    weights = from_bytes(TEXT, ".onnx")
    patient.make(weights, "gzip")
    assert patient.available(weights) == ["gzip"], "a static site's weights are inflated by the page"


def test_it_is_told_how_far_it_is(encodings):
    told = []
    resources = [from_bytes(TEXT + bytes([number]), ".js") for number in range(4)]
    encodings.make_all(resources, lambda done, total: told.append((done, total)))
    assert told[-1] == (2 * sum(resource.size for resource in resources),) * 2
    told.clear()
    encodings.make_all(resources, lambda done, total: told.append((done, total)))
    assert told == [], "all is there"


def test_a_source_that_vanishes_meanwhile_does_no_harm(encodings, tmp_path):
    path = tmp_path / "gone.js"
    path.write_bytes(TEXT)
    resources = [from_file(path), from_bytes(TEXT + b"!", ".js")]
    path.unlink()
    encodings.make_all(resources)
    assert [encodings.available(resource) for resource in resources] == [[], BOTH]


def test_a_source_that_changes_meanwhile_is_not_taken_for_the_old_one(encodings, tmp_path):
    path = tmp_path / "changed.js"
    path.write_bytes(TEXT)
    resource = from_file(path)
    path.write_bytes(TEXT.upper() + b"!")
    encodings.make_all([resource])
    assert encodings.available(resource) == []
