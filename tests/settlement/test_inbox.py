"""The queues between fetching and committing."""

from contracts.topics import APPLICATIONS, DISCHARGES, PERSONS
from workers.settlement.inbox import Inbox, Waiting, next_in_after
from workers.settlement.records import Incoming

QUOTAS = {PERSONS: 2, DISCHARGES: 3, APPLICATIONS: 1}


def waiting(topic: str, *offsets: int) -> list[Waiting]:
    return [Waiting(Incoming(topic, 0, offset, None, None), 1_000 + offset) for offset in offsets]


def inbox(**next_in: int) -> Inbox:
    return Inbox({PERSONS: 0, DISCHARGES: 0, APPLICATIONS: 0, **next_in})


def offsets(batch: list[Waiting]) -> list[tuple[str, int]]:
    return [(entry.record.topic.split(".")[1], entry.record.offset) for entry in batch]


def test_a_batch_takes_persons_before_discharges_before_applications_and_no_more_than_each_topics_quota():
    queues = inbox()
    queues.put(APPLICATIONS, waiting(APPLICATIONS, 0, 1))
    queues.put(DISCHARGES, waiting(DISCHARGES, 0, 1, 2, 3, 4))
    queues.put(PERSONS, waiting(PERSONS, 0, 1, 2))
    assert offsets(queues.batch(QUOTAS, 100)) == [
        ("persons", 0),
        ("persons", 1),
        ("discharges", 0),
        ("discharges", 1),
        ("discharges", 2),
        ("applications", 0),
    ]


def test_a_flood_of_one_topic_does_not_starve_another():
    queues = inbox()
    queues.put(PERSONS, waiting(PERSONS, *range(100)))
    queues.put(APPLICATIONS, waiting(APPLICATIONS, 0))
    assert ("applications", 0) in offsets(queues.batch(QUOTAS, 100))


def test_a_smaller_batch_is_the_beginning_of_the_larger_one():
    queues = inbox()
    queues.put(DISCHARGES, waiting(DISCHARGES, 0, 1, 2))
    queues.put(PERSONS, waiting(PERSONS, 0, 1))
    whole = queues.batch(QUOTAS, 100)
    for limit in range(1, len(whole) + 1):
        assert queues.batch(QUOTAS, limit) == whole[:limit]


def test_looking_at_a_batch_takes_nothing_away_and_committing_it_does():
    queues = inbox()
    queues.put(DISCHARGES, waiting(DISCHARGES, 0, 1, 2, 3))
    batch = queues.batch(QUOTAS, 100)
    assert queues.batch(QUOTAS, 100) == batch
    queues.passed(next_in_after(batch))
    assert offsets(queues.batch(QUOTAS, 100)) == [("discharges", 3)]


def test_records_below_next_in_are_left_out_however_often_they_are_fetched():
    queues = inbox(**{DISCHARGES: 5})
    queues.put(DISCHARGES, waiting(DISCHARGES, 3, 4, 5, 6))
    queues.put(DISCHARGES, waiting(DISCHARGES, 4, 5, 6, 7))
    assert offsets(queues.batch({**QUOTAS, DISCHARGES: 9}, 100)) == [
        ("discharges", 5),
        ("discharges", 6),
        ("discharges", 7),
    ]
    queues.passed({DISCHARGES: 7})
    queues.clear()
    queues.put(DISCHARGES, waiting(DISCHARGES, 5, 6, 7))
    assert offsets(queues.batch(QUOTAS, 100)) == [("discharges", 7)]


def test_offsets_may_have_gaps_and_the_next_one_is_after_the_last():
    queues = inbox()
    queues.put(DISCHARGES, waiting(DISCHARGES, 2, 9))
    batch = queues.batch(QUOTAS, 100)
    assert next_in_after(batch) == {DISCHARGES: 10}


def test_the_oldest_record_says_how_long_the_partition_waits():
    queues = inbox()
    assert queues.oldest_ms() is None
    queues.put(DISCHARGES, waiting(DISCHARGES, 7))
    queues.put(PERSONS, waiting(PERSONS, 3))
    assert queues.oldest_ms() == 1_003
