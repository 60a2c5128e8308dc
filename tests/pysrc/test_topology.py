"""Topologies agree with themselves and with one another."""

import numpy as np
import pytest

from bodylens.topology import BLAZEPOSE, BLAZEPOSE_TO_COCO, COCO, TOPOLOGIES, side_of, to_coco

EVERY = pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)


@EVERY
def test_each_keypoint_has_a_name_and_a_falloff(topology):
    assert len(topology) == len(set(topology.names)) == len(topology.sigmas)
    assert topology.sigmas.dtype == np.float32
    assert (topology.sigmas > 0).all()


def test_there_are_17_and_33():
    assert (len(COCO), len(BLAZEPOSE)) == (17, 33)


@EVERY
def test_the_sides_share_out_the_keypoints_and_are_mirror_images(topology):
    left, right, middle = (topology.side(side) for side in ("left", "right", "middle"))
    assert sorted(left + right + middle) == list(range(len(topology)))
    assert middle == (0,)
    assert sorted(topology.mirror[i] for i in left) == list(right)
    assert [topology.mirror[i] for i in topology.mirror] == list(range(len(topology)))


@EVERY
def test_edges_are_unique_join_what_exists_and_look_the_same_in_a_mirror(topology):
    edges = {frozenset(edge) for edge in topology.edges}
    assert len(edges) == len(topology.edges)
    assert {frozenset(topology.mirror[i] for i in edge) for edge in edges} == edges
    assert all(side_of(topology.names[i]) in ("left", "right", "middle") for edge in edges for i in edge)


@EVERY
def test_neighbours_are_mutual(topology):
    for i, near in enumerate(topology.neighbours):
        assert near
        assert all(i in topology.neighbours[j] for j in near)


def test_33_become_17_by_name():
    assert [BLAZEPOSE.names[i] for i in BLAZEPOSE_TO_COCO] == list(COCO.names)
    points = np.arange(2 * 33 * 3, dtype=np.float32).reshape(2, 33, 3)
    np.testing.assert_array_equal(to_coco(points)[1, COCO.index("left_hip")], points[1, BLAZEPOSE.index("left_hip")])
    np.testing.assert_array_equal(to_coco(BLAZEPOSE.sigmas, axis=0), COCO.sigmas)


def test_a_name_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match=r"coco-17 has no keypoint 'left_heel'; it has nose, .*right_ankle"):
        COCO.index("left_heel")
