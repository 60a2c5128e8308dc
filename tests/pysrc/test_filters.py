"""Filters: the same as one filter a coordinate, written out plainly; people come and go; time does what it likes."""

from math import asinh, pi

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bodylens.filters import LowPass, OneEuro, RelativeVelocity, rows_of

SAME = np.zeros(1, np.int32)


def rows(*numbers):
    return np.array(numbers, np.int32)


class PlainOneEuro:
    """One filter for one number, as the paper has it, with the limit that tfjs-models adds."""

    def __init__(self, min_cutoff, beta, derivative_cutoff, threshold=None, threshold_beta=0.0):
        self.parameters = min_cutoff, beta, derivative_cutoff, threshold, threshold_beta
        self.time = None

    def step(self, value, time, scale=1.0):
        min_cutoff, beta, derivative_cutoff, threshold, threshold_beta = self.parameters
        if self.time is None:
            self.raw, self.smooth, self.speed, self.time = value, value, 0.0, time
            return value
        rate = 1 / (time - self.time)
        self.speed += alpha(derivative_cutoff, rate) * ((value - self.raw) / scale * rate - self.speed)
        change = value - self.smooth
        if threshold is not None:
            limit = threshold + threshold_beta * abs(self.speed)
            change = limit * asinh(change / limit)
        self.smooth += alpha(min_cutoff + beta * abs(self.speed), rate) * change
        self.raw, self.time = value, time
        return self.smooth


def alpha(cutoff, rate):
    return 1 / (1 + rate / (2 * pi * cutoff))


@pytest.mark.parametrize(
    "parameters",
    [(0.05, 80.0, 1.0), (0.01, 10.0, 1.0), (2.5, 300.0, 2.5, 0.5, 5.0), (15.5, 20.2, 21.5, 0.02, 0.5)],
    ids=["blazepose", "auxiliary", "movenet", "the original's test"],
)
def test_all_points_at_once_are_what_each_would_be_alone(parameters):
    random = np.random.default_rng(1)
    values = random.normal(size=(40, 2, 5, 3)).cumsum(axis=0).astype(np.float32)
    times = random.uniform(0.01, 0.1, 40).cumsum()
    scale = np.array([0.5, 3.0], np.float32).reshape(2, 1, 1)
    plain = {place: PlainOneEuro(*parameters) for place in np.ndindex(2, 5, 3)}
    filter_, memory = OneEuro(*parameters), None
    for value, time in zip(values, times, strict=True):
        got, memory = filter_.step(memory, rows(0, 1), value, time, scale)
        want = [plain[at].step(float(value[at]), time, float(scale[at[0], 0, 0])) for at in plain]
        np.testing.assert_allclose(got.ravel(), want, rtol=2e-4, atol=2e-4)
        assert got.dtype == np.float32


def test_points_of_different_kinds_go_through_one_filter():
    random = np.random.default_rng(2)
    both = OneEuro(np.float32([[0.05], [0.1]]), np.float32([[80.0], [40.0]]))
    apart = [OneEuro(0.05, 80.0), OneEuro(0.1, 40.0)]
    memory, memories = None, [None, None]
    for i in range(10):
        values = random.normal(size=(1, 2, 3)).astype(np.float32)
        got, memory = both.step(memory, SAME, values, i / 30)
        for k in range(2):
            want, memories[k] = apart[k].step(memories[k], SAME, values[:, k], i / 30)
            np.testing.assert_allclose(got[:, k], want, rtol=1e-5)


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=20), st.floats(5, 240))
def test_it_never_leaves_the_range_of_what_came_in(values, rate):
    filter_, memory = OneEuro(0.05, 8.0), None
    for i, value in enumerate(values):
        got, memory = filter_.step(memory, SAME, np.float32([[value]]), i / rate)
        slack = 1e-4 * (1 + max(map(abs, values)))
        assert min(values[: i + 1]) - slack <= got[0, 0] <= max(values[: i + 1]) + slack


def test_a_still_point_with_noise_is_calmed_and_a_fast_one_does_not_lag():
    random = np.random.default_rng(3)
    times = np.arange(120) / 30
    still = 100 + random.normal(size=120)
    fast = 100 + 2000 * times

    def run(path):
        filter_, memory, out = OneEuro(0.05, 80.0), None, []
        for value, time in zip(path, times, strict=True):
            got, memory = filter_.step(memory, SAME, np.float32([[value]]), time, 400.0)
            out.append(got[0, 0])
        return np.array(out)

    assert run(still)[30:].std() < 0.6 * still[30:].std()
    assert abs(run(fast)[-1] - fast[-1]) < 5


def test_the_same_movement_at_half_the_frame_rate_ends_close_by():
    def run(rate):
        filter_, memory = OneEuro(1.0, 0.0), None
        for i in range(int(rate * 2) + 1):
            got, memory = filter_.step(memory, SAME, np.float32([[1.0 if i else 0.0]]), i / rate)
        return float(got[0, 0])

    assert run(60) == pytest.approx(run(30), abs=0.01)


def test_a_frame_of_the_same_time_passes_and_teaches_nothing():
    filter_ = OneEuro(0.05, 80.0)
    _, memory = filter_.step(None, SAME, np.float32([[1.0]]), 1.0)
    got, after = filter_.step(memory, SAME, np.float32([[9.0]]), 1.0)
    assert got[0, 0] == 9
    assert after is memory


def test_a_frame_from_the_past_begins_anew():
    filter_ = OneEuro(0.05, 80.0)
    _, memory = filter_.step(None, SAME, np.float32([[1.0]]), 5.0)
    got, after = filter_.step(memory, SAME, np.float32([[9.0]]), 0.0)
    assert got[0, 0] == 9
    assert after.time == 0


def test_a_failed_frame_changes_nothing():
    filter_ = OneEuro(0.05, 80.0)
    _, memory = filter_.step(None, SAME, np.float32([[1.0]]), 0.0)
    before = [memory.raw.copy(), memory.smooth.copy(), memory.speed.copy()]
    filter_.step(memory, SAME, np.float32([[50.0]]), 0.1)
    for was, now in zip(before, (memory.raw, memory.smooth, memory.speed), strict=True):
        np.testing.assert_array_equal(was, now)


def test_people_keep_their_own_past_when_others_come_and_go():
    filter_ = OneEuro(0.05, 80.0)
    alone = memory = None
    for i, order in enumerate([[7], [7, 9], [9, 7], [7]]):
        values = np.float32([[10.0 + i if who == 7 else 500.0] for who in order])
        known = [7] if i == 1 else [7, 9] if i == 2 else [9, 7]
        at = rows_of(np.array(known, np.int32), np.array(order, np.int32))
        got, memory = filter_.step(memory, at, values, i / 30)
        want, alone = filter_.step(alone, SAME, np.float32([[10.0 + i]]), i / 30)
        np.testing.assert_allclose(got[order.index(7)], want[0], rtol=1e-6)
        if i == 1:
            assert got[1, 0] == 500


def test_what_is_too_small_to_measure_passes_unfiltered():
    filter_ = OneEuro(0.05, 0.0)
    scale = np.float32([[0.0], [10.0]])
    _, memory = filter_.step(None, rows(0, 1), np.zeros((2, 1), np.float32), 0.0, scale)
    got, _ = filter_.step(memory, rows(0, 1), np.ones((2, 1), np.float32), 0.1, scale)
    assert got[0, 0] == 1
    assert got[1, 0] < 0.5


def test_low_pass_is_a_moving_average():
    low_pass, memory = LowPass(0.1), None
    for value in (1.0, 2.0, 2.0):
        memory = low_pass.step(memory, SAME, np.float32([[value]]))
    assert memory[0, 0] == pytest.approx(1 + 0.1 + 0.09)
    memory = low_pass.step(memory, rows(0, -1), np.float32([[2.0], [5.0]]))
    assert memory[1, 0] == 5


def test_rows_of_finds_each_person_or_says_that_it_is_new():
    known = np.array([4, 2, 8], np.int32)
    assert rows_of(known, np.array([8, 5, 4], np.int32)).tolist() == [2, -1, 0]
    assert rows_of(np.empty(0, np.int32), np.array([1], np.int32)).tolist() == [-1]
    assert rows_of(known, np.empty(0, np.int32)).tolist() == []


def run_velocity(filter_, values, seconds=0.001, scale=1.0):
    memory, out = None, []
    for i, value in enumerate(values):
        got, memory = filter_.step(memory, SAME, np.float32([[value]]), i * seconds, scale)
        out.append(float(got[0, 0]))
    return out


def test_relative_velocity_believes_more_the_more_sensitive_it_is():
    values = [1, 10, 2, 20, 10, 50, 30]
    keen = run_velocity(RelativeVelocity(5, 45.0), values)
    calm = run_velocity(RelativeVelocity(5, 0.1), values)
    assert keen[0] == calm[0] == 1
    for before, value, k, c in zip(values, values[1:], keen[1:], calm[1:], strict=False):
        assert (k > c) == (value > before)


def test_relative_velocity_is_slower_for_larger_objects():
    values = [1, 10]
    assert (
        run_velocity(RelativeVelocity(3, 1.0), values, scale=2.0)[1] < run_velocity(RelativeVelocity(3, 1.0), values)[1]
    )


def test_relative_velocity_by_hand():
    got = run_velocity(RelativeVelocity(5, 10.0), [0.0, 1.0], seconds=1.0)
    assert got[1] == pytest.approx(1 - 1 / 11)
