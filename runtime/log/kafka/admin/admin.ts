// Creates topics, and answers operators: bounds, positions, whether the log can be used.
import { topics as contract } from '../../../../schemas/topics.ts'
import { FlotillaError, messageOf } from '../../../errors.ts'
import type { GroupMembers, LogTopic, PartitionRange, RangeOptions } from '../../port.ts'
import {
  cleanupAdvice,
  isOpen,
  openTopicAdvice,
  openTopicSettings,
  replicaAdvice,
  requirePartitions,
  sizeAdvice,
  stateAdvice,
} from './advice.ts'
import { asAdmin } from './as-admin.ts'
import { decodeAssignment, decodeSubscription, type Admin } from '../connection/client.ts'
import type { Context } from '../context.ts'
import { isTransient, topicsMissing } from '../errors.ts'
import { answeredWithin, pause } from '../connection/link.ts'
import { allTopics } from '../names.ts'
import { committedOffsets } from '../group/positions.ts'
import { boundsOf, type Bounds } from '../fetch/partition-reader.ts'
import { otherCount, statesMismatch, topicsMismatch } from './topic-mismatch.ts'
import { lookAt } from './topic-watch.ts'

const MINUTE_MS = 60_000
const PAUSE_MS = 500
const LOG_EVERY_MS = 10_000
/** A partition that has no leader for so long is not between two. */
const ELECTION_MS = 1_000

interface WantedTopic {
  readonly topic: string
  readonly partitions: number
  readonly config: Readonly<Record<string, string>>
}

function wantedTopics(context: Context, stages: readonly string[]): WantedTopic[] {
  const { names, partitions } = context
  const ofContract = contract.map((spec) => ({
    topic: names.topic(spec.name),
    partitions: spec.partitions === 'shared' ? partitions : spec.partitions,
    config: {
      'cleanup.policy': spec.compacted === true ? 'compact,delete' : 'delete',
      'retention.ms': String(spec.retentionMs),
      ...(isOpen(spec) ? openTopicSettings : {}),
    },
  }))
  return [...ofContract, ...stages.map((stage) => stateTopic(names.stateTopic(stage), partitions))]
}

/** Compacted often, so that opening a lane reads little. Deletions outlive any restore. */
function stateTopic(topic: string, partitions: number): WantedTopic {
  return {
    topic,
    partitions,
    config: {
      'cleanup.policy': 'compact',
      'min.cleanable.dirty.ratio': '0.1',
      'segment.ms': String(10 * MINUTE_MS),
      'segment.bytes': String(64 * 1024 * 1024),
      'delete.retention.ms': String(60 * MINUTE_MS),
    },
  }
}

export function ensureTopics(context: Context, stages: readonly string[]): Promise<void> {
  return ensure(context, wantedTopics(context, stages))
}

export function ensureStateTopic(context: Context, stage: string): Promise<void> {
  const wanted = [stateTopic(context.names.stateTopic(stage), context.partitions)]
  return ensure(context, wanted)
}

async function ensure(context: Context, wanted: readonly WantedTopic[]): Promise<void> {
  const { client, settings } = context
  const deadline = performance.now() + settings.startTimeoutMs
  let loggedMs = -Infinity
  for (;;) {
    const limitMs = Math.max(0, deadline - performance.now()) + settings.requestTimeoutMs
    try {
      return await asAdmin(client, limitMs, (admin) => ensureOnce(context, admin, wanted))
    } catch (error) {
      if (error instanceof FlotillaError) throw error
      if (!isTransient(error) || performance.now() + PAUSE_MS > deadline)
        throw new FlotillaError('LOG_UNAVAILABLE', `creating topics: ${messageOf(error)}`, { cause: error })
      if (performance.now() - loggedMs >= LOG_EVERY_MS) {
        context.logger?.warn({ reason: messageOf(error) }, 'failed to reach Kafka; retrying')
        loggedMs = performance.now()
      }
      await pause(PAUSE_MS)
    }
  }
}

async function ensureOnce(context: Context, admin: Admin, wanted: readonly WantedTopic[]): Promise<void> {
  const existing = new Set(await admin.listTopics())
  const missing = wanted.filter(({ topic }) => !existing.has(topic))
  const present = wanted.filter(({ topic }) => existing.has(topic))
  // A wrong setting must leave nothing behind: what is created with it would have to be deleted by hand.
  if (missing.length > 0 && present.length > 0)
    comparePartitions(context, present, await partitionsOf(admin, present))
  if (missing.length > 0) {
    const replicas = context.replicationFactor ?? Math.min(3, (await admin.describeCluster()).brokers.length)
    // Another process may create some of them at this moment, which is fine.
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map((want) => creation(want, replicas)),
    })
  }
  comparePartitions(context, wanted, await partitionsOf(admin, wanted))
  if (missing.length < wanted.length) await warnOfSettings(context, admin)
}

async function partitionsOf(admin: Admin, wanted: readonly WantedTopic[]): Promise<Map<string, number>> {
  const { topics } = await admin.fetchTopicMetadata({ topics: wanted.map(({ topic }) => topic) })
  return new Map(topics.map(({ name, partitions }) => [name, partitions.length]))
}

function creation(
  { topic, partitions, config }: WantedTopic,
  replicationFactor: number,
): {
  topic: string
  numPartitions: number
  replicationFactor: number
  configEntries: { name: string; value: string }[]
} {
  const safety = replicationFactor >= 3 ? { 'min.insync.replicas': '2' } : {}
  const configEntries = Object.entries({ ...config, ...safety }).map(([name, value]) => ({ name, value }))
  return { topic, numPartitions: partitions, replicationFactor, configEntries }
}

function comparePartitions(
  { names }: Context,
  wanted: readonly WantedTopic[],
  found: ReadonlyMap<string, number>,
): void {
  const counted = wanted.map(({ topic, partitions }) => {
    return { topic, found: found.get(topic) ?? 0, wanted: partitions }
  })
  const inputs = counted.filter(({ topic }) => !names.isState(topic))
  const states = counted.filter(({ topic }) => names.isState(topic))
  const mismatch = topicsMismatch(inputs) ?? statesMismatch(states)
  if (mismatch !== null) throw mismatch
}

/** Goes on without the right to read settings of topics. */
async function warnOfSettings(context: Context, admin: Admin): Promise<void> {
  try {
    for (const advice of await openTopicAdvice(context, admin))
      context.logger?.warn(
        { advice },
        'a guarantee is lost: settings of a topic that anyone may write weaken it',
      )
  } catch (error) {
    context.logger?.debug({ reason: messageOf(error) }, 'failed to read settings of topics')
  }
}

export function advice(context: Context): Promise<readonly string[]> {
  return asAdmin(context.client, answerMs(context), async (admin) => {
    await requirePartitions(context)
    return [
      ...(await replicaAdvice(context, admin)),
      ...(await stateAdvice(context)),
      ...(await openTopicAdvice(context, admin)),
      ...(await cleanupAdvice(context, admin)),
      ...(await sizeAdvice(context, admin)),
    ]
  })
}

/** How long several requests in a row may take. */
const answerMs = ({ settings }: Context): number => settings.deliveryTimeoutMs + settings.requestTimeoutMs

/**
 * Rejects with TOPICS_MISSING, whose details name them, as soon as the broker says so, and with TOPICS_MISMATCH if
 * topics have fewer partitions than are asked for, or all of several have another number.
 */
export async function ranges(
  context: Context,
  topics: readonly LogTopic[],
  options: RangeOptions = {},
): Promise<PartitionRange[]> {
  const { shared, names, settings } = context
  const { missing, facts } = await lookAt(shared, topics.map(names.topic), settings.deliveryTimeoutMs)
  const absent = topics.filter((topic) => missing.has(names.topic(topic)))
  if (absent.length > 0) throw topicsMissing('asking for offsets', names, { absent })
  const counted = [...facts.values()].map(({ name, partitions: found }) => {
    return { topic: name, found, wanted: context.partitions }
  })
  const isSetting = topics.length > 1 && otherCount(counted) !== null
  if (isSetting || counted.some(({ found, wanted }) => found < wanted)) throw topicsMismatch(counted)
  return (await Promise.all(topics.map((topic) => rangesOf(context, topic, options)))).flat()
}

async function rangesOf(
  context: Context,
  topic: LogTopic,
  { partitions = allPartitions(context), onLeaderless }: RangeOptions,
): Promise<PartitionRange[]> {
  const { shared, names, settings } = context
  const name = names.topic(topic)
  const isLed = (partition: number): boolean => shared.knownLeader(name, partition) !== null
  const sinceMs = performance.now()
  const ask = async (): Promise<Bounds[]> => {
    await shared.know([name])
    const mayLack = onLeaderless !== undefined && performance.now() - sinceMs >= ELECTION_MS
    return boundsOf(shared, name, mayLack ? partitions.filter(isLed) : partitions)
  }
  const found = await shared.attempt(ask, { withinMs: settings.deliveryTimeoutMs })
  const known = new Set(found.map(({ partition }) => partition))
  for (const partition of partitions) if (!known.has(partition)) onLeaderless?.({ topic, partition })
  return found.map((bound) => ({ topic, ...bound }))
}

export async function positions(
  context: Context,
  groupId: string,
): Promise<{ topic: LogTopic; partition: number; offset: number }[]> {
  const { shared, names, settings } = context
  const logical = new Map(allTopics.map((topic) => [names.topic(topic), topic]))
  const committed = await committedOffsets(
    shared,
    groupId,
    [...logical.keys()],
    allPartitions(context),
    settings.deliveryTimeoutMs,
  )
  return committed.flatMap(({ topic, partition, offset }) => {
    const name = logical.get(topic)
    return name === undefined ? [] : [{ topic: name, partition, offset }]
  })
}

/** A member is named by its client id, which has its process id unless KAFKA_CLIENT_ID is set, and its host. */
export async function members(context: Context, groupId: string): Promise<GroupMembers> {
  const { groups } = await asAdmin(context.client, answerMs(context), (admin) =>
    admin.describeGroups([groupId]),
  )
  const found = groups.flatMap((group) => group.members)
  const logical = new Map(allTopics.map((topic) => [context.names.topic(topic), topic]))
  const topics = new Set(found.flatMap(({ memberMetadata }) => decodeSubscription(memberMetadata).topics))
  const owners = found.flatMap(({ clientId, clientHost, memberAssignment }) => {
    const lanes = new Set(Object.values(decodeAssignment(memberAssignment)).flat())
    return [...lanes].map((lane) => ({ lane, owner: `${clientId}@${clientHost.replace(/^\//, '')}` }))
  })
  return {
    topics: [...topics].flatMap((name) => logical.get(name) ?? []),
    owners: owners.toSorted((a, b) => a.lane - b.lane),
  }
}

/** Takes no longer than one request: what watches /ready has a limit of its own. */
export async function check({ client, settings }: Context, brokers: readonly string[]): Promise<void> {
  const ask = () => asAdmin(client, settings.requestTimeoutMs, (admin) => admin.describeCluster())
  // One of several brokers may be away, or stopped: another try asks another one.
  const again = (error: unknown) => (isTransient(error) ? ask() : Promise.reject(error))
  try {
    await answeredWithin(settings.requestTimeoutMs, ask().catch(again).catch(again))
  } catch (error) {
    const message = `Kafka at ${brokers.join(', ')} does not answer: ${messageOf(error)}`
    throw new FlotillaError('LOG_UNAVAILABLE', message, { cause: error })
  }
}

function allPartitions({ partitions }: Context): number[] {
  return Array.from({ length: partitions }, (_, partition) => partition)
}
