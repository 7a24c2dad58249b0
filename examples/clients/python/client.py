"""Publishes a task as Avro and waits for its result: python client.py "What is 2 to the power of 100?"

A service that takes many results reads tasks.completed in a consumer group instead, and recognises a repeated
result by its task id.
"""

import json
import os
import sys
import time
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

BROKERS = os.environ.get("KAFKA_BROKERS", "localhost:9092")
REGISTRY = os.environ.get("SCHEMA_REGISTRY_URL", "http://localhost:8081")
PREFIX = os.environ.get("FLOTILLA_PREFIX", "flotilla")
SUBMITTED = f"{PREFIX}.tasks.submitted"
COMPLETED = f"{PREFIX}.tasks.completed"
TIMEOUT_S = 120


def submit(text: str, task_id: str, registry: SchemaRegistryClient) -> None:
    # The fleet registered the schema; a program of its own must not register another one.
    schema = registry.get_latest_version(f"{SUBMITTED}-value").schema
    serialize = AvroSerializer(registry, schema, conf={"auto.register.schemas": False, "use.latest.version": True})
    context = SerializationContext(SUBMITTED, MessageField.VALUE)
    failed: list[str] = []
    producer = Producer({"bootstrap.servers": BROKERS, "acks": "all"})
    producer.produce(
        SUBMITTED,
        value=serialize({"text": text, "taskId": task_id}, context),
        on_delivery=lambda error, _: failed.append(str(error)) if error else None,
    )
    if producer.flush(30) > 0 or failed:
        raise SystemExit(f"the task was not published: {failed or 'no answer from the broker within 30 s'}")


def from_now_on(consumer: Consumer) -> list[TopicPartition]:
    partitions = consumer.list_topics(COMPLETED, timeout=30).topics[COMPLETED].partitions
    places = [TopicPartition(COMPLETED, number) for number in partitions]
    return [
        TopicPartition(COMPLETED, place.partition, consumer.get_watermark_offsets(place, timeout=30)[1])
        for place in places
    ]


def result_of(task_id: str, consumer: Consumer, registry: SchemaRegistryClient) -> dict:
    deserialize = AvroDeserializer(registry)
    until = time.monotonic() + TIMEOUT_S
    while time.monotonic() < until:
        message = consumer.poll(1.0)
        if message is None:
            continue
        if message.error():
            raise SystemExit(f"reading {COMPLETED}: {message.error()}")
        if message.key() != task_id.encode():
            continue
        return deserialize(message.value(), SerializationContext(COMPLETED, MessageField.VALUE))
    raise SystemExit(f"task {task_id} has no result after {TIMEOUT_S} s")


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit('usage: python client.py "what the agent is asked to do"')
    registry = SchemaRegistryClient({"url": REGISTRY})
    # read_committed is the default of this client; records of aborted transactions are results that never happened.
    consumer = Consumer({"bootstrap.servers": BROKERS, "group.id": f"client-{uuid.uuid4()}", "enable.auto.commit": False})
    try:
        # The end of the topic is noted before the task is published, so that its result can't be missed.
        consumer.assign(from_now_on(consumer))
        task_id = str(uuid.uuid4())
        submit(sys.argv[1], task_id, registry)
        result = result_of(task_id, consumer, registry)
    finally:
        consumer.close()
    # Fields of type Json hold JSON text.
    print(json.dumps({"taskId": task_id, "status": result["status"], "output": json.loads(result["output"])}))


if __name__ == "__main__":
    main()
