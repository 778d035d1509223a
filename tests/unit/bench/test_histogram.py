"""Percentiles of counted latencies."""

from smsgw.bench.histogram import Histogram, rounded


def test_it_keeps_three_digits() -> None:
    assert [rounded(number) for number in (0, 999, 1_004, 12_345, 999_999)] == [0, 999, 1_000, 12_300, 1_000_000]


def test_percentiles_of_a_known_series() -> None:
    histogram = Histogram()
    for microseconds in range(1, 101):
        histogram.add(microseconds)

    found = [histogram.percentile(percent) for percent in (50, 99, 100)]

    assert found == [50, 99, 100]


def test_no_percentile_exceeds_the_largest_value() -> None:
    histogram = Histogram()
    histogram.add(9_996)

    assert (histogram.percentile(99), histogram.largest) == (9_996, 9_996)


def test_nothing_counted_is_zero() -> None:
    assert Histogram().percentile(99) == 0


def test_two_processes_become_one_series() -> None:
    one, other = Histogram({10: 1}, 10), Histogram({10: 1, 20: 2}, 20)

    one.merge(other)

    assert (one.counts, one.largest) == ({10: 2, 20: 2}, 20)
