// Ids of topics (KIP-516): a topic that was deleted and re-created under the same name has another one.
// kafkajs's own request for metadata predates them. Format: MetadataRequest and MetadataResponse of Kafka's
// message definitions, version 10.
import type { LogTopic } from '../../port.ts'
import type { ByteWriter } from '../connection/byte-writer.ts'
import type { Broker } from '../connection/client.ts'
import type { Context } from '../context.ts'
import { afterHeader, body, mustSucceed, readArray, send } from '../produce/transaction-v2.ts'

/** Kafka 2.8. */
const METADATA = { apiKey: 3, apiVersion: 10, apiName: 'Metadata' }
const ID_BYTES = 16
const NO_ID = '0'.repeat(2 * ID_BYTES)

/** Ids by logical name; empty if the cluster is older than topic ids. */
export async function topicIds(
  { shared, names, settings }: Context,
  topics: readonly LogTopic[],
): Promise<ReadonlyMap<LogTopic, string>> {
  const asked = topics.map((topic) => names.topic(topic))
  const ask = async (): Promise<Map<string, string>> => {
    if (asked.length === 0) return new Map()
    // Rejects while one of them is missing.
    await shared.know(asked)
    return idsFrom(await shared.cluster.findControllerBroker(), asked)
  }
  const found = await shared.attempt(ask, { withinMs: settings.deliveryTimeoutMs })
  return new Map(topics.map((topic) => [topic, found.get(names.topic(topic)) ?? '']))
}

/** A broker's metadata of a topic. */
export interface TopicFacts {
  readonly name: string
  /** 0: none. */
  readonly errorCode: number
  /** Empty if there is none. */
  readonly id: string
  readonly partitions: number
  /** One entry a partition. */
  readonly replicas: readonly Replicas[]
}

export interface Replicas {
  readonly partition: number
  readonly all: number
  readonly inSync: number
}

/** Empty for a broker that is older than topic ids. */
export function factsFrom(broker: Broker, topics: readonly string[]): Promise<readonly TopicFacts[]> {
  const known = (broker.versions?.[METADATA.apiKey]?.maxVersion ?? 0) >= METADATA.apiVersion
  return known ? send(broker, METADATA, () => encode(topics), decode) : Promise.resolve([])
}

/** Ids by name. Topics without an id are left out. */
export async function idsFrom(broker: Broker, topics: readonly string[]): Promise<Map<string, string>> {
  const facts = await factsFrom(broker, topics)
  mustSucceed(facts.map(({ errorCode }) => errorCode))
  return new Map(facts.flatMap(({ name, id }) => (id === '' ? [] : [[name, id]])))
}

function encode(topics: readonly string[]): ByteWriter {
  const to = body()
  to.compactArray(topics, (topic) => to.int64(0).int64(0).compactString(topic).noTags())
  // Without creating topics, and without authorized operations.
  return to.boolean(false).boolean(false).boolean(false).noTags()
}

function decode(answer: Buffer): { answer: readonly TopicFacts[]; throttleMs: number } {
  const decoder = afterHeader(answer)
  const throttleMs = decoder.readInt32()
  readArray(decoder, () => {
    decoder.readInt32()
    decoder.readUVarIntString()
    decoder.readInt32()
    decoder.readUVarIntString()
  })
  decoder.readUVarIntString()
  decoder.readInt32()
  const facts = readArray(decoder, () => {
    const errorCode = decoder.readInt16()
    const name = decoder.readUVarIntString() ?? ''
    const id = decoder.readBytes(ID_BYTES).toString('hex')
    decoder.readBytes(1)
    const replicas = readArray(decoder, () => replicasFrom(decoder))
    decoder.readInt32()
    return { name, errorCode, id: id === NO_ID ? '' : id, partitions: replicas.length, replicas }
  })
  return { answer: facts, throttleMs }
}

function replicasFrom(decoder: ReturnType<typeof afterHeader>): Replicas {
  decoder.readInt16()
  const partition = decoder.readInt32()
  // Leader and its epoch.
  decoder.readBytes(4 + 4)
  const count = (): number => (decoder.readUVarIntArray((element) => element.readInt32()) ?? []).length
  const [all, inSync] = [count(), count()]
  // Those that are offline.
  count()
  return { partition, all, inSync }
}
