"""Laws of differences, over random projects and random boxes."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from annotary.batch import AnnotationBatch
from annotary.contract.rows import RowSink
from annotary.difference.content import contents, digest
from annotary.difference.difference import (
    ADDED,
    KINDS,
    REMOVED,
    RETAGGED,
    UNCHANGED,
    Difference,
    changes,
)
from annotary.difference.entries import Summary, entries, text
from annotary.difference.objects import Objects
from annotary.difference.pairs import greedy, overlap
from tests.laws.projects import Project, projects

TAGS = ["cat", "dog"]


def counts(before: Project, after: Project) -> Counter[str]:
    found: Counter[str] = Counter()
    for some in Difference(before, after):
        found.update(KINDS[kind] for kind in some.kind.tolist())
    return found


def objects_of(project: Project) -> int:
    return len(project.things)


@given(projects(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_same_objects_in_any_order_are_no_difference(project: Project, random: Any) -> None:
    other = copy.deepcopy(project)
    random.shuffle(other.things)
    other.things.sort(key=lambda thing: thing.image)
    other.cut = 5
    assert counts(project, other) == Counter(unchanged=objects_of(project))


@given(projects(), projects())
@settings(max_examples=40, deadline=None)
def test_every_object_of_both_sides_is_told_once(one: Project, two: Project) -> None:
    left: Counter[int] = Counter()
    right: Counter[int] = Counter()
    for begin, some in enumerate(Difference(one, two)):
        assert begin == 0
        left.update(some.left[some.left >= 0].tolist())
        right.update(some.right[some.right >= 0].tolist())
    assert left == Counter(range(objects_of(one)))
    assert right == Counter(range(objects_of(two)))


@given(projects(), projects())
@settings(max_examples=40, deadline=None)
def test_swapping_the_sides_swaps_added_with_removed(one: Project, two: Project) -> None:
    there, back = counts(one, two), counts(two, one)
    assert back.pop("added", 0) == there.pop("removed", 0)
    assert back.pop("removed", 0) == there.pop("added", 0)
    assert back == there


@given(projects(), st.data())
@settings(max_examples=40, deadline=None)
def test_what_is_taken_away_is_removed_or_is_one_of_several_equal(
    project: Project, data: st.DataObject
) -> None:
    if not project.things:
        return
    other = copy.deepcopy(project)
    gone = other.things.pop(data.draw(st.integers(0, len(other.things) - 1)))
    found = counts(project, other)
    assert found == Counter(unchanged=objects_of(project) - 1, removed=1), gone


def boxes(rows: list[tuple[int, int, list[float]]]) -> Objects:
    kept: list[AnnotationBatch] = []
    sink = RowSink("", lambda _, batch: kept.append(batch))
    for image, tag, (x, y, w, h) in rows:
        sink.rectangle(image, tag, x, y, x + w, y + h)
    sink.flush()
    return Objects(kept[-1], TAGS, np.arange(2, dtype=np.int32))


BOX = st.tuples(
    st.integers(0, 2),
    st.integers(0, 1),
    st.lists(st.integers(1, 20).map(lambda n: n / 40), min_size=4, max_size=4),
)


@given(st.lists(BOX, max_size=12), st.lists(BOX, max_size=12))
@settings(max_examples=200, deadline=None)
def test_boxes_are_paired_as_one_after_the_other_from_the_best(
    one: list[tuple[int, int, list[float]]], two: list[tuple[int, int, list[float]]]
) -> None:
    left, right = boxes(one), boxes(two)
    found = changes(["a", "b", "c"], np.zeros((3, 2)), left, right)
    got = {
        (i, j)
        for i, j in zip(found.left.tolist(), found.right.tolist(), strict=True)
        if i >= 0 and j >= 0
    }
    assert got == plainly(one, two)


def plainly(
    one: list[tuple[int, int, list[float]]], two: list[tuple[int, int, list[float]]]
) -> set[tuple[int, int]]:
    """The same by plain loops: equal ones first, then by overlap, then without regard to tags."""
    pairs: set[tuple[int, int]] = set()

    def free() -> tuple[list[int], list[int]]:
        i, j = {i for i, _ in pairs}, {j for _, j in pairs}
        return [n for n in range(len(one)) if n not in i], [
            n for n in range(len(two)) if n not in j
        ]

    for i in range(len(one)):
        same = [j for j in free()[1] if two[j] == one[i]]
        if same:
            pairs.add((i, same[0]))
    for least, tagged in ((0.5, True), (0.8, False)):
        scored = []
        left, right = free()
        for i in left:
            for j in right:
                if one[i][0] == two[j][0] and (not tagged or one[i][1] == two[j][1]):
                    a, b = (
                        np.array([[x, y, x + w, y + h]]) for x, y, w, h in (one[i][2], two[j][2])
                    )
                    score = float(overlap(a, b)[0])
                    if score >= least:
                        scored.append((-score, min(i, j), max(i, j), i, j))
        for *_, i, j in sorted(scored):
            left, right = free()
            if i in left and j in right:
                pairs.add((i, j))
    return pairs


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.5, 0.6, 0.9])),
        max_size=30,
        unique_by=lambda pair: pair[:2],
    )
)
@settings(max_examples=200, deadline=None)
def test_rounds_of_best_pairs_are_the_pairs_one_after_the_other(
    scored: list[tuple[int, int, float]],
) -> None:
    i, j, score = (np.array([row[k] for row in scored]) for k in range(3))
    got = set(zip(*(part.tolist() for part in greedy(i, j, score)[:2]), strict=True))
    expected: set[tuple[int, int]] = set()
    for a, b, _ in sorted(scored, key=lambda row: (-row[2], min(row[:2]), max(row[:2]))):
        if all(a != x and b != y for x, y in expected):
            expected.add((a, b))
    assert got == expected


def test_equal_boxes_are_counted_as_often_as_they_are_there() -> None:
    box = (0, 0, [0.1, 0.1, 0.2, 0.2])
    found = changes(["a"], np.zeros((1, 2)), boxes([box] * 3), boxes([box] * 5))
    assert Counter(found.kind.tolist()) == {UNCHANGED: 3, ADDED: 2}
    found = changes(["a"], np.zeros((1, 2)), boxes([box] * 5), boxes([box] * 3))
    assert Counter(found.kind.tolist()) == {UNCHANGED: 3, REMOVED: 2}


def test_another_class_on_the_same_place_is_retagged() -> None:
    one, two = (boxes([(0, tag, [0.1, 0.1, 0.2, 0.2])]) for tag in (0, 1))
    found = changes(["a"], np.zeros((1, 2)), one, two)
    assert found.kind.tolist() == [RETAGGED]


def test_minus_zero_is_zero_and_order_within_an_object_counts() -> None:
    kept: list[AnnotationBatch] = []
    sink = RowSink("", lambda _, batch: kept.append(batch))
    ring, hole = [0.0, 0.0, 1.0, 0.0, 1.0, 1.0], [0.2, 0.2, 0.4, 0.2, 0.4, 0.4]
    sink.polygon(0, 0, [ring, hole])
    sink.polygon(0, 0, [[-0.0, *ring[1:]], hole])
    sink.polygon(0, 0, [hole, ring])
    sink.polygon(0, 0, [ring], holes=[hole])
    sink.flush()
    (batch,) = kept
    found = [tuple(row) for row in contents(batch, batch.objects(), TAGS).tolist()]
    assert found[0] == found[1]
    assert len(set(found)) == 3


@given(projects())
@settings(max_examples=30, deadline=None)
def test_a_digest_does_not_depend_on_the_order(project: Project) -> None:
    def of(cut: int, reverse: bool) -> list[int]:
        project.cut = cut
        project.things.sort(key=lambda thing: thing.image)
        if reverse:
            project.things.reverse()
            project.things.sort(key=lambda thing: thing.image)
        total = [0, 0]
        for batch in project.scan(range(len(project.names))):
            if not len(batch):
                continue
            begin = batch.objects()
            found = contents(batch, begin, [tag.name for tag in project.tags])
            part = digest(found, project.names, batch.image[begin[:-1]])
            total = [(a + b) % 2**64 for a, b in zip(total, part, strict=True)]
        return total

    assert of(1, False) == of(3, False) == of(2, True)


@given(projects(), projects())
@settings(max_examples=30, deadline=None)
def test_summaries_and_entries_tell_of_the_same_objects(one: Project, two: Project) -> None:
    difference = Difference(one, two)
    summary = Summary()
    listed: Counter[str] = Counter()
    for some in difference:
        summary.add(some, difference.tags)
        found = list(entries(some, difference.tags))
        listed.update(entry.kind for entry in found)
        lines = list(text(found))
        assert len(lines) == len(found) + len({entry.asset for entry in found})
    told = Counter({k: n for k, n in summary.counts.items() if n and k != "unchanged"})
    assert told == listed
    by_tag: Counter[str] = Counter()
    for kinds in summary.tags.values():
        by_tag.update(kinds)
    assert by_tag == listed
