// Settings of topics and brokers that weaken a promise, each with its remedy.
import { stages, topics as contract, type TopicSpec } from '../../../../schemas/topics.ts'
import { LOG_METADATA_BYTES, LOG_RECORD_BYTES } from '../../limits.ts'
import { BROKER_RESOURCE, TOPIC_RESOURCE, type Admin } from '../connection/client.ts'
import type { Context } from '../context.ts'
import { committedOffsets } from '../group/positions.ts'
import { allTopics } from '../names.ts'
import { stateProblems } from './problems.ts'
import { topicsMismatch } from './topic-mismatch.ts'
import { lookAt } from './topic-watch.ts'

const TIME = 'message.timestamp.type'
const COMPRESSION = 'compression.type'
const RECORD_SIZE = 'max.message.bytes'
const METADATA_SIZE = 'offset.metadata.max.bytes'
const CLEANUP = 'cleanup.policy'
const IN_SYNC = 'min.insync.replicas'
/** Partitions that a message names. */
const SHOWN = 5

export const isOpen = ({ writers }: TopicSpec): boolean => writers.includes('anyone')

/** Recommended settings of topics that anyone may write. */
export const openTopicSettings = {
  // Readers need no codec, whichever one other programs publish with.
  [COMPRESSION]: 'uncompressed',
  // A producer must not influence deadlines, nor how long an id is remembered.
  [TIME]: 'LogAppendTime',
} as const

const consequences: Record<keyof typeof openTopicSettings, string> = {
  [COMPRESSION]:
    "keeps its producers' compression (compression.type=?), and records in snappy or lz4, or above 64 MB when unpacked, stop its partition",
  [TIME]:
    "keeps its producers' timestamps (message.timestamp.type=?), so its tasks count from when they are read, and its retention is theirs to choose",
}

/** Advice for topics that were created by hand, or by an older version. */
export async function openTopicAdvice({ names }: Context, admin: Admin): Promise<string[]> {
  const wanted = Object.entries(openTopicSettings) as [keyof typeof openTopicSettings, string][]
  const topics = contract.filter(isOpen).map(({ name }) => names.topic(name))
  const found = await settingsOf(admin, TOPIC_RESOURCE, topics, Object.keys(openTopicSettings))
  return found.flatMap(({ resource, settings }) =>
    wanted.flatMap(([name, value]) => {
      const now = settings.get(name)
      if (now === undefined || now === value) return []
      return [`${resource} ${consequences[name].replace('?', now)}: ${alteration(resource, name, value)}`]
    }),
  )
}

/** Rejects with TOPICS_MISMATCH if topics have another number of partitions than the fleet: then no process starts. */
export async function requirePartitions({
  names,
  partitions,
  settings,
  shared: link,
}: Context): Promise<void> {
  const shared = contract.flatMap(({ name, partitions: own }) =>
    own === 'shared' ? [names.topic(name)] : [],
  )
  const { facts } = await lookAt(link, shared, settings.deliveryTimeoutMs)
  const counted = [...facts.values()].map(({ name, partitions: found }) => {
    return { topic: name, found, wanted: partitions }
  })
  const mismatch = topicsMismatch(counted)
  if (mismatch) throw mismatch
}

/** Advice for state topics that are missing though their stage has run, or have fewer partitions than lanes. */
export async function stateAdvice(context: Context): Promise<string[]> {
  const { names, partitions, settings, shared } = context
  const byTopic = new Map(stages.map((stage) => [names.stateTopic(stage), stage]))
  const looked = await lookAt(shared, [...byTopic.keys()], settings.deliveryTimeoutMs)
  const found = [...byTopic].map(async ([topic, stage]) => {
    if (looked.missing.has(topic) && !(await hasRun(context, stage))) return []
    return stateProblems(topic, partitions, looked)
  })
  return (await Promise.all(found)).flat()
}

async function hasRun({ names, partitions, settings, shared }: Context, stage: string): Promise<boolean> {
  const lanes = Array.from({ length: partitions }, (_, lane) => lane)
  const group = names.group('stage', stage)
  const topics = allTopics.map(names.topic)
  return (await committedOffsets(shared, group, topics, lanes, settings.deliveryTimeoutMs)).length > 0
}

/** Advice for partitions that take no record now: too few of their replicas are in sync. */
export async function replicaAdvice({ names, settings, shared }: Context, admin: Admin): Promise<string[]> {
  const listed = await admin.listTopics()
  const [own, brokersOwn] = [listed.filter(isOwn(names)), listed.filter((topic) => internal.has(topic))]
  const { facts } = await lookAt(shared, [...own, ...brokersOwn], settings.deliveryTimeoutMs)
  const settled = (wanted: readonly string[]) => settingsOf(admin, TOPIC_RESOURCE, wanted, [IN_SYNC])
  // Few may read the settings of the brokers' own topics.
  const found = (await Promise.all([settled(own), settled(brokersOwn).catch(() => [])])).flat()
  const short = found.flatMap(({ resource, settings: its }) => {
    const asked = Number(its.get(IN_SYNC) ?? 1)
    const replicas = (facts.get(resource)?.replicas ?? []).toSorted((a, b) => a.partition - b.partition)
    return replicas.flatMap(({ partition, all, inSync }) => {
      // Brokers ask for no more than there are.
      const wanted = Math.min(asked, all)
      return inSync < wanted ? [`${resource}[${partition}] (${inSync} of ${wanted})`] : []
    })
  })
  if (short.length === 0) return []
  const more = short.length > SHOWN ? `, and ${short.length - SHOWN} more` : ''
  return [
    `fewer replicas are in sync than ${IN_SYNC} asks for, so that nothing is written to ${short.slice(0, SHOWN).join(', ')}${more}: ` +
      'start the brokers that hold them, which kafka-topics.sh --describe --under-min-isr-partitions names (docs/runbooks/input_blocked.md)',
  ]
}

/** By the fleet's prefix, its state topics too. */
function isOwn(names: Context['names']): (topic: string) => boolean {
  const prefix = names.topic('' as never)
  return (topic) => topic.startsWith(prefix)
}

/** Positions and transactions of the fleet are there. */
const internal: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state'])

/** Advice for size limits below those that Flotilla assumes: its writes would be refused. */
export async function sizeAdvice({ names }: Context, admin: Admin): Promise<string[]> {
  const topics = (await admin.listTopics()).filter(isOwn(names))
  const { brokers } = await admin.describeCluster()
  const ofTopics = await settingsOf(admin, TOPIC_RESOURCE, topics, [RECORD_SIZE])
  const nodes = brokers.map(({ nodeId }) => String(nodeId))
  const ofBrokers = await settingsOf(admin, BROKER_RESOURCE, nodes, [METADATA_SIZE])
  return [
    ...ofTopics.flatMap(({ resource, settings }) => {
      const bytes = Number(settings.get(RECORD_SIZE) ?? LOG_RECORD_BYTES)
      if (bytes >= LOG_RECORD_BYTES) return []
      const remedy = alteration(resource, RECORD_SIZE, String(LOG_RECORD_BYTES))
      return [`${resource} takes records up to ${bytes} bytes, not ${LOG_RECORD_BYTES}: ${remedy}`]
    }),
    ...ofBrokers.flatMap(({ resource, settings }) => {
      const bytes = Number(settings.get(METADATA_SIZE) ?? LOG_METADATA_BYTES)
      if (bytes >= LOG_METADATA_BYTES) return []
      return [
        `broker ${resource} takes ${bytes} bytes of metadata with a position, not ${LOG_METADATA_BYTES}: set ` +
          `${METADATA_SIZE}=${LOG_METADATA_BYTES} in its server.properties and restart it`,
      ]
    }),
  ]
}

/** Advice for topics that lose records which are still needed. */
export async function cleanupAdvice({ names }: Context, admin: Admin): Promise<string[]> {
  const whole = new Set(contract.flatMap(({ name, compacted }) => (compacted ? [] : [names.topic(name)])))
  const topics = (await admin.listTopics()).filter((topic) => names.isState(topic) || whole.has(topic))
  const found = await settingsOf(admin, TOPIC_RESOURCE, topics, [CLEANUP])
  return found.flatMap(({ resource, settings }) => {
    const wanted = names.isState(resource) ? 'compact' : 'delete'
    const now = settings.get(CLEANUP) ?? wanted
    if (now === wanted) return []
    const loses = names.isState(resource)
      ? 'state of tasks that wait for longer than its retention'
      : 'records of a task that are not read yet'
    return [`${resource} loses ${loses} (${CLEANUP}=${now}): ${alteration(resource, CLEANUP, wanted)}`]
  })
}

const alteration = (topic: string, name: string, value: string): string =>
  `kafka-configs.sh --alter --entity-type topics --entity-name ${topic} --add-config ${name}=${value}`

async function settingsOf(
  admin: Admin,
  type: typeof TOPIC_RESOURCE,
  resources: readonly string[],
  configNames: string[],
): Promise<{ resource: string; settings: ReadonlyMap<string, string> }[]> {
  if (resources.length === 0) return []
  const answer = await admin.describeConfigs({
    includeSynonyms: false,
    resources: resources.map((name) => ({ type, name, configNames })),
  })
  return answer.resources.map(({ resourceName, configEntries }) => ({
    resource: resourceName,
    settings: new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
  }))
}
