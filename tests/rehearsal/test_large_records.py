"""The largest records that a worker may write, on a real Kafka: written in one transaction and read back."""

from pathlib import Path

import pytest

from contracts.topics import DISCHARGES, JOURNAL, JOURNAL_BYTES_MAX, QUARANTINE
from tests.rehearsal.test_apache import with_jars
from workers.kafka.log import KafkaLog
from workers.kafka.topics import apply_topics, check_topics
from workers.kafka.writer import PartitionWriter
from workers.rehearsal.stack import start_broker
from workers.settings import Settings
from workers.settlement.ports import OutcomeUnknown
from workers.settlement.records import Outgoing

pytestmark = [pytest.mark.integration, pytest.mark.slow]

AROUND = 1_024


@with_jars
async def test_the_largest_entry_is_committed_and_read_and_a_larger_one_is_not(tmp_path: Path):
    async with await start_broker(broker="apache") as broker:
        settings = Settings(
            _env_file=None,
            kafka_bootstrap=broker.address,
            partitions=1,
            replication_factor=1,
            min_insync=1,
            fetch_max_bytes=1 << 20,
        )
        await apply_topics(settings)
        assert await check_topics(settings) == []
        largest = b"x" * (JOURNAL_BYTES_MAX - AROUND)
        log = KafkaLog(settings)
        await log.start()
        writer = await PartitionWriter.open(settings, 0)
        after = await writer.commit(
            {
                JOURNAL: [Outgoing(b"e|1", largest, []), Outgoing(b"e|2", b"small", [])],
                QUARANTINE: [Outgoing(b"k", b"y" * (900 * 1024), [])],
            },
            {DISCHARGES: 1},
        )
        found = [record.value async for records in log.read_journal(0, 0, after) for record in records]
        assert found == [largest, b"small"]
        with pytest.raises(OutcomeUnknown, match="MessageSizeTooLarge"):
            await writer.commit({JOURNAL: [Outgoing(b"e|1", largest + b"x" * 2 * AROUND, [])]}, {DISCHARGES: 2})
        await writer.drop()
        await log.stop()
