"""The room of aiokafka: nobody else imports it."""

from workers.kafka.topics import apply_topics, check_topics

__all__ = ["apply_topics", "check_topics"]
