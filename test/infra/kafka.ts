// A real Kafka 4.2 on loopback in KRaft mode, of one broker or several. Its jars come by Maven.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { java, maven, quickStart } from './java.ts'
import { accepts, freePort, freePorts } from './port.ts'
import { scratch, startServer, type Server } from './server.ts'
import { runTool } from './tool.ts'

export interface KafkaOptions {
  /** 1 unless given. With several, each is broker and controller, and internal topics have up to 3 replicas. */
  readonly brokers?: number
  /** Lines of server.properties that add to ours or replace them. */
  readonly properties?: Readonly<Record<string, string>>
  /** Levels of features in force from the start, where they shall not be Kafka's newest. */
  readonly features?: Readonly<Record<string, number>>
  /** Heap of a broker; 512 unless given. */
  readonly heapMb?: number
  /**
   * The port that clients are told to use instead of the broker's own, for a proxy on this machine. The broker itself goes
   * by another way. One broker only.
   */
  readonly advertisedPort?: number
  /** Further listeners: their names are those of security protocols. */
  readonly listeners?: readonly {
    readonly name: 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT'
    readonly port: number
  }[]
  /** Further options of Java. */
  readonly java?: readonly string[]
  /** True for figures: the whole compiler, which costs three seconds of processor at the start, and the collector of docker-compose.yml. */
  readonly forLoad?: boolean
}

/** One broker. `restart` and `kill9` keep its port and its data. */
export interface Broker extends Server {
  readonly nodeId: number
  readonly port: number
  /** `host:port`. */
  readonly url: string
}

/** The cluster. `pid`, `kill9` and `restart` are those of its first broker. */
export interface KafkaCluster extends Broker {
  readonly brokers: readonly Broker[]
  /** For `KAFKA_BROKERS`: every broker's `host:port`, with commas. */
  readonly bootstrap: string
}

const here = join(import.meta.dirname, 'kafka')
const host = '127.0.0.1'
/** Fixed, because the formatted storage is cached; a cluster never meets another's data directory. */
const clusterId = 'FlotillaTestClusterAAA'

export async function startKafka(options: KafkaOptions = {}): Promise<KafkaCluster> {
  const count = options.brokers ?? 1
  const ports = await freePorts(2 * count)
  const nodes = ports.slice(0, count).map((port, index) => ({
    nodeId: index + 1,
    port,
    controllerPort: ports[count + index] as number,
  }))
  const jars = await kafkaJars()
  const storage = await formattedStorage(jars, count, options.features)
  const started = await Promise.allSettled(
    nodes.map((node) => startBroker(node, nodes, join(storage, `node-${node.nodeId}`), jars, options)),
  )
  const brokers = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  const stop = async (): Promise<void> => void (await Promise.all(brokers.map((broker) => broker.stop())))
  const failed = started.find((outcome) => outcome.status === 'rejected')
  if (failed !== undefined) {
    await stop()
    throw failed.reason
  }
  return cluster(brokers, stop)
}

function cluster(brokers: readonly Broker[], stop: () => Promise<void>): KafkaCluster {
  const first = brokers[0] as Broker
  return {
    brokers,
    bootstrap: brokers.map((broker) => broker.url).join(','),
    nodeId: first.nodeId,
    port: first.port,
    url: first.url,
    logFile: first.logFile,
    get pid() {
      return first.pid
    },
    kill9: () => first.kill9(),
    restart: () => first.restart(),
    stop,
  }
}

interface Node {
  readonly nodeId: number
  readonly port: number
  readonly controllerPort: number
}

async function startBroker(
  node: Node,
  nodes: readonly Node[],
  storage: string,
  jars: string,
  options: KafkaOptions,
): Promise<Broker> {
  const directory = scratch(`kafka-${node.nodeId}`)
  const data = join(directory, 'data')
  cpSync(storage, data, { recursive: true })
  const listening = options.advertisedPort === undefined ? {} : await behind(node, options.advertisedPort)
  const own = { ...serverProperties(node, nodes, data), ...listening }
  const properties = { ...own, ...withListeners(own, options.listeners ?? []), ...options.properties }
  writeFileSync(join(directory, 'server.properties'), lines(properties))
  const heap = options.heapMb ?? 512
  const machine = options.forLoad ? ['-XX:+UseParallelGC'] : quickStart
  const server = await startServer({
    name: `kafka-${node.nodeId}`,
    command: java(),
    args: [
      ...machine,
      `-Xmx${heap}m`,
      '-Xms256m',
      ...(options.java ?? []),
      ...classes(jars),
      'kafka.Kafka',
      'server.properties',
    ],
    directory,
    ready: async (log) => log().includes('Kafka Server started') && (await accepts(node.port)),
    stopSignal: 'SIGKILL',
  })
  const identity = { nodeId: node.nodeId, port: node.port, url: `${host}:${node.port}` }
  return Object.defineProperties(server, Object.getOwnPropertyDescriptors(identity)) as Broker
}

const classes = (jars: string): string[] => [
  `-Dlog4j2.configurationFile=${join(here, 'log4j2.properties')}`,
  '-cp',
  `${join(jars, 'lib')}/*`,
]

function withListeners(
  properties: Readonly<Record<string, string>>,
  more: NonNullable<KafkaOptions['listeners']>,
): Record<string, string> {
  const added = more.map(({ name, port }) => `,${name}://${host}:${port}`).join('')
  const protocols = more.map(({ name }) => `,${name}:${name}`).join('')
  return {
    listeners: properties['listeners'] + added,
    'advertised.listeners': properties['advertised.listeners'] + added,
    'listener.security.protocol.map': properties['listener.security.protocol.map'] + protocols,
  }
}

/** Clients come by the proxy's port, the broker to itself by one of its own. */
async function behind(node: Node, advertisedPort: number): Promise<Record<string, string>> {
  const own = await freePort()
  return {
    listeners: `PLAINTEXT://${host}:${node.port},CONTROLLER://${host}:${node.controllerPort},OWN://${host}:${own}`,
    'advertised.listeners': `PLAINTEXT://${host}:${advertisedPort},OWN://${host}:${own}`,
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,OWN:PLAINTEXT',
    'inter.broker.listener.name': 'OWN',
  }
}

function serverProperties(node: Node, nodes: readonly Node[], data: string): Record<string, string> {
  const replicas = String(Math.min(nodes.length, 3))
  return {
    'process.roles': 'broker,controller',
    'node.id': String(node.nodeId),
    'controller.quorum.voters': nodes.map((n) => `${n.nodeId}@${host}:${n.controllerPort}`).join(','),
    listeners: `PLAINTEXT://${host}:${node.port},CONTROLLER://${host}:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${host}:${node.port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'num.partitions': '4',
    'default.replication.factor': replicas,
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': '4',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '4',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': nodes.length > 2 ? '2' : '1',
    'share.coordinator.state.topic.num.partitions': '1',
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': '1',
    // Tests form groups all the time and lose members on purpose: no delay, and short sessions are allowed.
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'transaction.max.timeout.ms': '900000',
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    'log.cleaner.backoff.ms': '1000',
    'log.cleaner.dedupe.buffer.size': '16777216',
    ...(nodes.length > 1 ? ofSeveral : {}),
  }
}

/**
 * A broker that is stopped is given up soon, and one that is only late on a busy machine is not: it has sent five heartbeats
 * by then. What its peers have asked of it ends soon after (docs/operating.md).
 */
const ofSeveral = {
  'broker.session.timeout.ms': '3000',
  'broker.heartbeat.interval.ms': '500',
  'request.timeout.ms': '10000',
}

const lines = (properties: Readonly<Record<string, string>>): string =>
  Object.entries(properties)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')

/** Runs one of Kafka's own commands, such as kafka.admin.ConfigCommand. */
export async function runKafkaTool(name: string, args: readonly string[]): Promise<string> {
  return runTool(java(), [...quickStart, ...classes(await kafkaJars()), name, ...args])
}

/** A directory whose `lib/` holds Kafka and all it needs. */
export function kafkaJars(): Promise<string> {
  const pom = readFileSync(join(here, 'pom.xml'), 'utf8')
  return cached('kafka', [pom], async (directory) => {
    const copy = ['-q', '-B', '-f', join(here, 'pom.xml'), 'dependency:copy-dependencies']
    await runTool(maven(), [...copy, `-DoutputDirectory=${join(directory, 'lib')}`], { cwd: directory })
  })
}

/** `node-1`, `node-2`, …: data directories as the storage tool leaves them; formatting costs a start of Java each. */
function formattedStorage(
  jars: string,
  count: number,
  features: KafkaOptions['features'] = {},
): Promise<string> {
  const levels = Object.entries(features).flatMap(([name, level]) => ['--feature', `${name}=${level}`])
  return cached('kafka-storage', [jars, clusterId, String(count), ...levels], async (directory) => {
    const nodes = Array.from({ length: count }, (_, index) => ({
      nodeId: index + 1,
      port: 1,
      controllerPort: index + 2,
    }))
    for (const node of nodes) {
      const data = join(directory, `node-${node.nodeId}`)
      mkdirSync(data)
      const file = join(directory, `node-${node.nodeId}.properties`)
      writeFileSync(file, lines(serverProperties(node, nodes, data)))
      const format = ['kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', file, ...levels]
      await runTool(java(), [...quickStart, ...classes(jars), ...format])
    }
  })
}
