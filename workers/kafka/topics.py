"""Making the topics, the seven and the derived ones, and finding out whether they are as they must be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError, for_code

from contracts.topics import DERIVED, TOPICS, Topic
from workers.kafka.connection import connection
from workers.kafka.refusal import refusal
from workers.settings import Settings

ALL: Final = (*TOPICS, *DERIVED)

ALWAYS: Final = {"unclean.leader.election.enable": "false"}
"""A replica that missed acknowledged records must never become the leader."""

TOPICS_OWN: Final = 1
"""The broker's word for a setting that was given to the topic itself."""

PROPAGATION_LOOKS_MAX: Final = 50
PROPAGATION_LOOK_S: Final = 0.2
"""Ten seconds in all for the controller's change to reach the broker that we ask."""


class TopicsUnfit(Exception):
    """The broker refused to make or to describe the topics."""


def wanted_settings(settings: Settings, topic: Topic) -> dict[str, str]:
    """What a topic is configured with."""
    return {**topic.settings, **ALWAYS, "min.insync.replicas": str(settings.min_insync)}


async def apply_topics(settings: Settings) -> list[str]:
    """Makes the topics that are missing and mends the settings of the others; says what it did.

    Never changes a number of partitions: that would move persons away from their ledgers.
    """
    done: list[str] = []
    async with _admin(settings) as admin:
        present = await _described(admin)
        missing = [topic for topic in ALL if topic.name not in present]
        if missing:
            answer = await admin.create_topics(
                [
                    NewTopic(
                        topic.name,
                        num_partitions=settings.partitions,
                        replication_factor=settings.replication_factor,
                        topic_configs=wanted_settings(settings, topic),
                    )
                    for topic in missing
                ]
            )
            for name, code, *_ in answer.topic_errors:
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise TopicsUnfit(f"{name}: {for_code(code).__name__}")
                done.append(f"{name}: made with {settings.partitions} partitions")
        for topic in ALL:
            if topic in missing:
                continue
            found = await _settings_of(admin, topic)
            wrong = _wrong(settings, topic, found)
            if wrong:
                # The request replaces all of a topic's own settings, so those that others have made are sent along.
                kept = {name: value for name, (value, own) in found.items() if own and value is not None}
                await _alter(admin, topic, {**kept, **wanted_settings(settings, topic)})
                done += [f"{topic.name}: {name} is now {wanted}" for name, (wanted, _) in wrong.items()]
        if done:
            await _until_seen(admin, settings)
    return done


async def check_topics(settings: Settings) -> list[str]:
    """Everything that is not as it must be, one sentence each; empty when all is well."""
    faults: list[str] = []
    async with _admin(settings) as admin:
        present = await _described(admin)
        for topic in ALL:
            partitions = present.get(topic.name)
            if partitions is None:
                faults.append(f"{topic.name}: missing; `yidan topics apply` makes it")
                continue
            if len(partitions) != settings.partitions:
                faults.append(f"{topic.name}: {len(partitions)} partitions, must be {settings.partitions}")
            fewest = min(len(partition["replicas"]) for partition in partitions)
            if fewest < settings.replication_factor:
                faults.append(f"{topic.name}: {fewest} replicas, must be {settings.replication_factor}")
            for name, (wanted, found) in _wrong(settings, topic, await _settings_of(admin, topic)).items():
                faults.append(f"{topic.name}: {name} is {found}, must be {wanted}")
    return faults


async def partition_counts(settings: Settings, topics: Sequence[Topic] = TOPICS) -> dict[str, int]:
    """How many partitions each of these topics has; 0 for one that is missing."""
    async with _admin(settings) as admin:
        present = await _described(admin)
    return {topic.name: len(present.get(topic.name, ())) for topic in topics}


@asynccontextmanager
async def _admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client for one errand: it would not notice a broker that comes back under another address."""
    admin = AIOKafkaAdminClient(**connection(settings))
    try:
        async with asyncio.timeout(6 * settings.kafka_request_timeout_s):
            try:
                await admin.start()
            except KafkaConnectionError as error:
                raise await refusal(settings) or error from None
            yield admin
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settings.kafka_request_timeout_s):
                await admin.close()


async def _described(admin: AIOKafkaAdminClient) -> dict[str, list[dict[str, Any]]]:
    """Partitions by topic. All topics are asked for: asking for one by name may make it."""
    return {topic["topic"]: topic["partitions"] for topic in await admin.describe_topics()}


async def _settings_of(admin: AIOKafkaAdminClient, topic: Topic) -> dict[str, tuple[str | None, bool]]:
    """The topic's settings: the value, and whether it was given to this very topic."""
    answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name)])
    found = {}
    for resource in (resource for answer in answers for resource in answer.resources):
        _raise_for(topic, resource[0])
        for name, value, _, source, *_ in resource[4]:
            # Version 0 of the answer says whether it is a default, the later ones where it comes from.
            found[name] = value, source is False or (source == TOPICS_OWN and source is not True)
    return found


async def _alter(admin: AIOKafkaAdminClient, topic: Topic, configs: dict[str, str]) -> None:
    for answer in await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=configs)]):
        for code, *_ in answer.resources:
            _raise_for(topic, code)


async def _until_seen(admin: AIOKafkaAdminClient, settings: Settings) -> None:
    """Waits until the broker that we ask has heard of what the controller did."""
    for _ in range(PROPAGATION_LOOKS_MAX):
        present = await _described(admin)
        if all(topic.name in present for topic in ALL) and not any(
            [_wrong(settings, topic, await _settings_of(admin, topic)) for topic in ALL]
        ):
            return
        await asyncio.sleep(PROPAGATION_LOOK_S)
    raise TopicsUnfit("what was made does not show; look with `yidan topics check`")


def _wrong(
    settings: Settings, topic: Topic, found: dict[str, tuple[str | None, bool]]
) -> dict[str, tuple[str, str | None]]:
    """Settings of the topic that are not as they must be: (wanted, found)."""
    return {
        name: (wanted, found.get(name, (None, False))[0])
        for name, wanted in wanted_settings(settings, topic).items()
        if found.get(name, (None, False))[0] != wanted
    }


def _raise_for(topic: Topic, code: int) -> None:
    if code:
        raise TopicsUnfit(f"{topic.name}: {for_code(code).__name__}")
