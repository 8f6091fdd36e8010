"""The runbook's tables of rights can be read, and give nothing that no code of ours asks for."""

import inspect

from contracts.topics import DERIVED, TOPICS
from tests.security.access import PREFIXED, TOPIC, rights, store_users
from workers.settlement import keeper


def test_every_topic_that_the_table_names_is_one_of_ours():
    ours = {topic.name for topic in (*TOPICS, *DERIVED)}
    assert {right.name for right in rights() if right.kind == TOPIC and right.pattern != PREFIXED} == ours
    assert {right.principal for right in rights()} >= {"worker", "gateway", "payer", "operator", "desk"}


def test_no_right_is_given_twice():
    given = rights()
    assert len(given) == len(set(given))


def test_a_user_of_the_store_may_do_nothing_that_the_keeper_does_not():
    """What the script calls counts; `select` is sent for another database than the first, `script|load` as a method."""
    text = f"{inspect.getsource(keeper)} {keeper.SCRIPT}".lower().replace("script_load", "script|load")
    sent = {"select", "multi", "exec", "eval"}  # by the client itself: a transaction, another database, a script anew
    for user, words in store_users().items():
        commands = {word[1:] for word in words.split() if word.startswith("+")}
        unused = {name for name in commands - sent if f".{name}(" not in text and f"'{name}'" not in text}
        assert not unused, user
