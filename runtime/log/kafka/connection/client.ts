// The only importer of kafkajs. We use its protocol, connections, security and admin client, and drive
// groups, fetches and transactions ourselves over its brokers, because its consumer and producer fall short:
//
// 1. Its consumer applies aborted transactions in the order in which they ended, and one per record: if
//    several are interleaved in a partition, aborted records get through (see ../fetch/read-committed.ts).
// 2. Its producer reuses sequence numbers after a failed send that the broker may have appended; the next
//    records under the same numbers are acknowledged and silently dropped (see ../produce/producer-session.ts).
// 3. Its consumer fetches nothing while the group rebalances, then fetches again from the committed
//    positions.
// 4. Its decoder of fetched records takes time quadratic in a record's headers, and fails if a batch has many
//    records (../fetch/record-batches.ts); its fetches name every partition every time (../fetch/request.ts).
// 5. Every connection wakes a thousand times a second for a queue that is empty, and ten times to look for requests
//    that have gone unanswered; those leave their connection as it is, or are never given up (request-queue.ts).
// 6. Its encoder takes half a kilobyte for each part of a request (byte-writer.ts).
// 7. While one partition has no leader it learns of no other's (metadata-response.ts).
//
// Requests that it can't encode are in ../produce/transaction-v2.ts and ../fetch/request.ts, sent through its connections.
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzip, zstdDecompress } from 'node:zlib'
import { AssignerProtocol, CompressionTypes, Kafka, logLevel } from 'kafkajs'
import type {
  Admin,
  Cluster as KafkaJsCluster,
  ConfigResourceTypes,
  logCreator,
  Mechanism,
  SASLOptions,
} from 'kafkajs'
import type { Unpacker } from '../fetch/record-batches.ts'
import type { KafkaSecurity } from '../../../config/environment/server-security.ts'
import { METADATA_VERSIONS, takeLeaderless, type MetadataResponse } from './metadata-response.ts'
import {
  beginFromScratch,
  checkOnlyIfWaiting,
  checkTogether,
  endWhenUnanswered,
  noteThrottling,
  THROTTLED,
  type Connection,
  type RequestQueue,
} from './request-queue.ts'
import { saslOptions } from './sasl.ts'
import { Sockets } from './socket.ts'

export type { AclEntry, Admin } from 'kafkajs'
/** kafkajs's `ConfigResourceTypes`, which it doesn't export to ES modules. */
export const TOPIC_RESOURCE = 2 satisfies ConfigResourceTypes.TOPIC as ConfigResourceTypes
export const BROKER_RESOURCE = 4 satisfies ConfigResourceTypes.BROKER as ConfigResourceTypes

/** pino's shape. Quiet unless given. */
export interface KafkaLogger {
  debug(fields: object, message: string): void
  warn(fields: object, message: string): void
}

export interface RawMessage {
  readonly offset: string
  readonly timestamp: string
  readonly key: Buffer | null
  readonly value: Buffer | null
  /** The last value of a header that is given several times. */
  readonly headers: Readonly<Record<string, string>>
  readonly isControlRecord: boolean
  readonly batchContext: {
    /** Who set its timestamps: 0 producers, 1 the broker. */
    readonly timestampType?: number
    readonly producerId: string
    readonly inTransaction: boolean
    /** Epoch of the leader that wrote the batch. */
    readonly partitionLeaderEpoch: number
  }
}

export interface FetchedPartition {
  readonly partition: number
  /** End of the written records; read_committed readers may get fewer. */
  readonly highWatermark: string
  readonly abortedTransactions: readonly { producerId: string; firstOffset: string }[]
  readonly messages: readonly RawMessage[]
  /** Past the last batch, whose records compaction may have removed, even all of them; null: there was none. */
  readonly nextOffset: number | null
}

export interface ProducedMessage {
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
  /** Epoch milliseconds; absent: now. */
  readonly timestamp?: string
}

export interface ProducerIdentity {
  readonly producerId: string
  readonly producerEpoch: number
}

export interface TransactionIdentity extends ProducerIdentity {
  readonly transactionalId: string
}

/** A member of a consumer group, as of one generation. */
export interface GroupIdentity {
  readonly groupGenerationId: number
  readonly memberId: string
}

export interface OffsetTopics {
  readonly groupId: string
  readonly topics: { topic: string; partitions: { partition: number; offset: string; metadata?: string }[] }[]
}

export interface ProduceRequest extends ProducerIdentity {
  transactionalId?: string
  acks: number
  timeout: number
  topicData: {
    topic: string
    partitions: { partition: number; firstSequence: number; messages: ProducedMessage[] }[]
  }[]
}

export interface ProduceResponse {
  readonly topics: { topicName: string; partitions: { partition: number; baseOffset: string }[] }[]
}

/** The body of a request: what kafkajs's encoder copies from another one. */
export interface Encoded {
  readonly buf: Buffer
  readonly buffer: Buffer
}

/** A request that we encode. kafkajs adds the header, queues it, and strips the header from the answer. */
export interface Exchange<T> {
  readonly request: { apiKey: number; apiVersion: number; apiName: string; encode: () => Promise<Encoded> }
  /** How long it may go unanswered, if that is longer than usual. Milliseconds. */
  readonly requestTimeout?: number
  readonly response: {
    decode: (body: Buffer) => Promise<{ answer: T; clientSideThrottleTime: number }>
    parse: (decoded: { answer: T }) => Promise<T>
  }
}

/** The requests of a broker that we use; kafkajs types only some. All reject on a protocol error. */
export interface Broker {
  /** Supported versions, by api key; kafkajs asks when it connects. */
  readonly versions?: Readonly<Record<number, { readonly maxVersion: number }>> | null
  readonly connectionPool: {
    send<T>(exchange: Exchange<T>): Promise<T>
    /** The second is for fetches. */
    readonly pool: readonly { readonly socket?: { destroy(error: Error): void } }[]
  }
  produce(request: ProduceRequest): Promise<ProduceResponse>
  initProducerId(request: { transactionalId?: string; transactionTimeout: number }): Promise<ProducerIdentity>
  addPartitionsToTxn(
    request: TransactionIdentity & { topics: { topic: string; partitions: number[] }[] },
  ): Promise<unknown>
  addOffsetsToTxn(request: TransactionIdentity & { groupId: string }): Promise<unknown>
  endTxn(request: TransactionIdentity & { transactionResult: boolean }): Promise<unknown>
  joinGroup(request: {
    groupId: string
    sessionTimeout: number
    rebalanceTimeout: number
    memberId: string
    groupProtocols: { name: string; metadata: Buffer }[]
  }): Promise<{
    generationId: number
    leaderId: string
    memberId: string
    members: { memberId: string; memberMetadata: Buffer }[]
  }>
  syncGroup(request: {
    groupId: string
    generationId: number
    memberId: string
    groupAssignment: { memberId: string; memberAssignment: Buffer }[]
  }): Promise<{ memberAssignment: Buffer }>
  heartbeat(request: { groupId: string; groupGenerationId: number; memberId: string }): Promise<unknown>
  leaveGroup(request: { groupId: string; memberId: string }): Promise<unknown>
  describeGroups(request: {
    groupIds: string[]
  }): Promise<{ groups: { state: string; members: { memberId: string; memberMetadata: Buffer }[] }[] }>
  offsetCommit(request: OffsetTopics & { groupGenerationId: number; memberId: string }): Promise<unknown>
  offsetFetch(request: {
    groupId: string
    topics: { topic: string; partitions: { partition: number }[] }[]
  }): Promise<{
    responses: {
      topic: string
      partitions: { partition: number; offset: string; metadata: string | null }[]
    }[]
  }>
}

/** Closes the connection on which the broker's fetches are made: the one under way rejects, the next one connects. */
export function breakOffFetch({ connectionPool }: Broker): void {
  connectionPool.pool[1]?.socket?.destroy(new Error('the fetch was broken off'))
}

export type CoordinatorKind = 'group' | 'transaction'
const COORDINATOR_CODES: Record<CoordinatorKind, number> = { group: 0, transaction: 1 }

/** One set of connections to the cluster. A broker answers a connection's requests one after the other. */
export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  refreshMetadata(): Promise<void>
  /** Topics whose leaders are asked for. */
  readonly targetTopics: Set<string>
  refreshMetadataIfNecessary(): Promise<void>
  addMultipleTargetTopics(topics: string[]): Promise<void>
  readonly brokerPool: {
    /** Replaced as a whole when it is refreshed; null before the first time. */
    readonly metadata: object | null
  }
  findBroker(node: { nodeId: string }): Promise<Broker>
  findControllerBroker(): Promise<Broker>
  findLeaderForPartitions(topic: string, partitions: number[]): Record<string, number[]>
  findTopicPartitionMetadata(topic: string): { partitionId: number }[]
  findGroupCoordinator(group: { groupId: string; coordinatorType: number }): Promise<Broker>
  fetchTopicsOffset(
    topics: ({ topic: string; partitions: { partition: number }[] } & (
      { fromBeginning: boolean } | { fromTimestamp: number }
    ))[],
  ): Promise<{ topic: string; partitions: { partition: number; offset: string }[] }[]>
}

export interface ClientOptions {
  readonly brokers: readonly string[]
  readonly clientId: string
  readonly security?: KafkaSecurity
  readonly requestTimeoutMs: number
  readonly logger?: KafkaLogger
}

export interface Client {
  /** How long a single request may go unanswered. */
  readonly requestTimeoutMs: number
  /** Not connected yet. Reads are read_committed; topics are never created by naming them. */
  cluster(): Cluster
  admin(): Admin
  coordinatorType(kind: CoordinatorKind): number
  /** Destroys connections that are still open. Nothing of the client may be used after it. */
  close(): void
}

const LONGEST_CONNECTING_MS = 3_000

export function createClient(options: ClientOptions): Client {
  const { tls, sasl } = options.security ?? {}
  const connectionTimeout = Math.min(LONGEST_CONNECTING_MS, options.requestTimeoutMs)
  const sockets = new Sockets(connectionTimeout, tls)
  const kafka = new Kafka({
    brokers: async () => sockets.byLastHeard(options.brokers),
    clientId: options.clientId,
    requestTimeout: options.requestTimeoutMs,
    connectionTimeout,
    // Short: every loop of ours retries with its own deadline. CONCURRENT_TRANSACTIONS passes in
    // milliseconds.
    retry: { initialRetryTime: 3, factor: 0.2, multiplier: 1.3, maxRetryTime: 200, retries: 4 },
    socketFactory: (where) => sockets.open(where),
    ssl: tls !== undefined,
    logLevel: logLevel.ERROR,
    logCreator: logTo(options.logger),
    ...(sasl ? { sasl: saslOptions(sasl) as SASLOptions | Mechanism } : {}),
  })
  return {
    requestTimeoutMs: options.requestTimeoutMs,
    cluster: () => clusterOf(kafka),
    admin: () => kafka.admin({ retry: { retries: 2 } }),
    coordinatorType: (kind) => COORDINATOR_CODES[kind],
    close: () => sockets.close(),
  }
}

/** kafkajs passes its cluster to partition assigners: the one public way to it. The consumer never starts. */
function clusterOf(kafka: Kafka): Cluster {
  const found: KafkaJsCluster[] = []
  kafka.consumer({
    groupId: 'unused',
    allowAutoTopicCreation: false,
    readUncommitted: false,
    partitionAssigners: [
      ({ cluster }) => {
        found.push(cluster)
        return {
          name: 'unused',
          version: 1,
          assign: () => Promise.resolve([]),
          protocol: () => ({ name: 'unused', metadata: Buffer.alloc(0) }),
        }
      },
    ],
  })
  const cluster = found[0]
  if (cluster === undefined) throw new Error('kafkajs gave no cluster to the assigner')
  return cluster as unknown as Cluster
}

const QUOTA_REACHED =
  'a client quota of the brokers is reached: all requests of the fleet wait for it, and tasks are slow. Raise it ' +
  '(kafka-configs.sh --describe --entity-type clients, or users, shows it)'

function logTo(logger: KafkaLogger | undefined): logCreator {
  return () =>
    ({ namespace, log }) => {
      const { message, timestamp: _, logger: __, stack: ___, ...fields } = log
      if (message === THROTTLED) logger?.warn(fields, QUOTA_REACHED)
      else logger?.debug({ ...fields, namespace }, `kafkajs: ${message}`)
    }
}

/** The subscription of a joining member: its topics, and data for the leader's assigner. */
export function encodeSubscription(topics: readonly string[], userData: Buffer): Buffer {
  return AssignerProtocol.MemberMetadata.encode({ version: 1, topics: [...topics], userData })
}

export function decodeSubscription(metadata: Buffer): { topics: string[]; userData: Buffer } {
  const decoded = AssignerProtocol.MemberMetadata.decode(metadata)
  return { topics: decoded?.topics ?? [], userData: decoded?.userData ?? Buffer.alloc(0) }
}

export function encodeAssignment(topics: readonly string[], partitions: readonly number[]): Buffer {
  return AssignerProtocol.MemberAssignment.encode({
    version: 1,
    assignment: Object.fromEntries(topics.map((topic) => [topic, [...partitions]])),
    userData: Buffer.alloc(0),
  })
}

export function decodeAssignment(assignment: Buffer): Record<string, number[]> {
  return AssignerProtocol.MemberAssignment.decode(assignment)?.assignment ?? {}
}

/** The part of kafkajs's reader that we use. `UVarInt` arrays and strings are the protocol's compact ones. */
export interface Decoder {
  readInt16(): number
  readInt32(): number
  readInt64(): { toString(): string }
  readBytes(length: number): Buffer
  readUVarInt(): number
  readUVarIntString(): string | null
  readUVarIntArray<T>(read: (decoder: Decoder) => T): T[] | null
}

const part = createRequire(import.meta.url)
const DecoderClass = part('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder
const crc32c = part('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Uint8Array) => number
const { createErrorFromCode } = part('kafkajs/src/protocol/error') as {
  createErrorFromCode: (code: number) => Error
}

/** kafkajs's own parts, for requests that it doesn't have. */
export const wire = {
  decoder: (bytes: Buffer): Decoder => new DecoderClass(bytes),
  crc32c,
  errorOf: createErrorFromCode,
}

/** Largest uncompressed size of a batch; brokers take about 1 MB, compressed. */
const UNPACKED_BYTES = 64 * 1024 * 1024
const unpacking =
  (unpack: (packed: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>) => () => ({
    compress: () => Promise.reject(new Error('Flotilla compresses nothing')),
    decompress: (packed: Buffer) => unpack(packed, { maxOutputLength: UNPACKED_BYTES }),
  })
const { CompressionCodecs: codecs } = part('kafkajs') as typeof import('kafkajs')
codecs[CompressionTypes.GZIP] = unpacking(promisify(gunzip))
codecs[CompressionTypes.ZSTD] = unpacking(promisify(zstdDecompress))

const { lookupCodecByAttributes } = part('kafkajs/src/protocol/message/compression') as {
  lookupCodecByAttributes: (attributes: number) => { decompress(packed: Buffer): Promise<Buffer> } | null
}
/** Decompresses the records of a batch with these attributes; null: they are not compressed. */
export function unpackerOf(attributes: number): Unpacker {
  const codec = lookupCodecByAttributes(attributes)
  return codec && ((packed) => codec.decompress(packed))
}

for (const version of METADATA_VERSIONS) {
  const response = part(`kafkajs/src/protocol/requests/metadata/v${version}/response`) as MetadataResponse
  takeLeaderless(response, createErrorFromCode)
}

const { prototype: queues } = part('kafkajs/src/network/requestQueue') as { prototype: RequestQueue }
checkOnlyIfWaiting(queues)
checkTogether(queues)
noteThrottling(queues)
const { prototype: connections } = part('kafkajs/src/network/connection') as { prototype: Connection }
endWhenUnanswered(connections)
beginFromScratch(connections)
