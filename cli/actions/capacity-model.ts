// The cost of a task, and what a load of tasks needs. Where each figure comes from is in docs/capacity.md.
import { topics } from '../../schemas/topics.ts'

/** Records and bytes (values, keys and headers, uncompressed): of any task, and of each further step. */
interface Cost {
  readonly records: number
  readonly bytes: number
  readonly stepRecords: number
  readonly stepBytes: number
}

const cost = (records: number, bytes: number, stepRecords: number, stepBytes: number): Cost => ({
  records,
  bytes,
  stepRecords,
  stepBytes,
})

/** Measured by bench/capacity.ts, with texts of one line. By topic. */
export const topicCosts: Readonly<Record<string, Cost>> = {
  'tasks.submitted': cost(1, 197, 0, 0),
  'tasks.admitted': cost(1, 388, 0, 0),
  'tools.requested': cost(1, 270, 1, 342),
  'tools.completed': cost(0, 0, 1, 366),
  'tasks.completed': cost(1, 720, 0, 449),
  'tasks.history': cost(4, 1_660, 4, 1_724),
  'tasks.streaming': cost(1, 300, 0, 0),
  'usage.recorded': cost(1, 364, 2, 706),
}

/** Measured by `npm run bench -- kafka`: of a task of two steps, by transactions. */
const COMMITS = { ofTask: 2.2, ofStep: 2 } as const
const MS_A_COMMIT = { fleet: 5.1 / 4.2, broker: 6.5 / 4.2 } as const
const REQUESTS_A_COMMIT = 3
/** Transactions that each service commits: of any task, and of each further step. */
const commitsOf: Readonly<Record<string, readonly [ofTask: number, ofStep: number]>> = {
  router: [1, 0],
  planner: [1, 1],
  'tool-executor': [0, 1],
  metering: [0.15, 0],
  alerting: [0.05, 0],
  // Tasks of sessions and steps in Python, which the measured task has not.
  sessions: [0, 0],
  'code-sandbox': [0, 0],
}

/** Defaults of limits.concurrency and limits.queue.inFlight in flotilla.config.ts. */
const CALLS_A_PROCESS = 256
const TASKS_A_LANE = 32
/** Share of a core that is planned with: the rest is for peaks and for lanes that move. */
const USED_CORE = 0.6
const LEAST_PROCESSES = 2
const LEAST_LANES = 12
const STAGES = Object.keys(commitsOf).length
const BROKER_USED = 0.5
const BROKER_CORES = 4
const DAY_S = 86_400

export interface Load {
  readonly tasksPerSecond: number
  /** Model calls of a task; each but the last is followed by a tool call. */
  readonly steps: number
  /** Time of one model call. Seconds. */
  readonly modelSeconds: number
  /** Time of one tool call. Seconds. */
  readonly toolSeconds: number
  readonly replication: number
  readonly retentionDays: number
  /** What texts and results of your tasks have beyond those measured. Bytes a task, and a step. */
  readonly extraBytes: number
}

export interface Capacity {
  readonly perTask: {
    readonly records: number
    readonly bytes: number
    readonly commits: number
    readonly cpuMs: number
  }
  readonly tasksInFlight: number
  readonly partitions: number
  readonly processes: Readonly<Record<string, number>>
  readonly cores: number
  readonly brokers: {
    readonly count: number
    readonly bytesPerSecond: number
    readonly requestsPerSecond: number
    readonly connections: number
    readonly diskGb: number
    readonly diskGbPerDay: number
  }
  readonly redisOpsPerSecond: number
  readonly postgresRowsPerSecond: number
  readonly postgresGbPerDay: number
  /** What is near or past a limit, each with what to do. */
  readonly limits: readonly string[]
}

/** Bytes of a row of the ledgers with its indexes, and of the brokers' largest load that these figures hold for. */
const LEDGER_ROW_BYTES = 600
const REDIS_MOST_SYNCED_OPS = 20_000
const POSTGRES_MOST_ROWS = 20_000
const PARTITIONS_MOST = 1_000

export function capacityFor(load: Load): Capacity {
  const { tasksPerSecond: rate, steps, replication, retentionDays } = load
  const further = steps - 1
  const costs = Object.values(topicCosts)
  const records = costs.reduce((sum, each) => sum + each.records + each.stepRecords * further, 0)
  const measured = costs.reduce((sum, each) => sum + each.bytes + each.stepBytes * further, 0)
  const bytes = measured + load.extraBytes * steps
  const commits = COMMITS.ofTask + COMMITS.ofStep * further
  const seconds = steps * load.modelSeconds + further * load.toolSeconds
  const tasksInFlight = Math.ceil(rate * seconds)
  const processes = processesFor(load)
  const most = Math.max(...Object.values(processes))
  const partitions = Math.max(LEAST_LANES, 2 * most, Math.ceil(tasksInFlight / TASKS_A_LANE))
  const count = Math.max(
    replication,
    Math.ceil((rate * commits * MS_A_COMMIT.broker * 1.4) / 1_000 / BROKER_CORES / BROKER_USED),
  )
  const diskGbPerDay = (rate * bytes * DAY_S * replication) / 1e9
  const all = Object.values(processes).reduce((sum, each) => sum + each, 0)
  const usageRows = steps + further
  const postgresRows = usageRows + 3
  const capacity = {
    perTask: { records, bytes, commits: round(commits), cpuMs: round(commits * MS_A_COMMIT.fleet) },
    tasksInFlight,
    partitions,
    processes,
    cores: round((rate * commits * MS_A_COMMIT.fleet) / 1_000),
    brokers: {
      count,
      bytesPerSecond: Math.round(rate * bytes * replication),
      requestsPerSecond: Math.round(rate * commits * REQUESTS_A_COMMIT),
      // A transactional producer for each lane of each stage, a consumer and an administrator for each process.
      connections: partitions * STAGES + all * 2 * count,
      diskGb: round(diskGbPerDay * retentionDays),
      diskGbPerDay: round(diskGbPerDay),
    },
    // Begun, recorded and forgotten in the journal; reserved and settled by the limits; admission.
    redisOpsPerSecond: Math.round(rate * ((steps + further) * 3 + steps * 2 + 2)),
    postgresRowsPerSecond: Math.round(rate * postgresRows),
    postgresGbPerDay: round((rate * (usageRows + 1) * LEDGER_ROW_BYTES * DAY_S) / 1e9),
  }
  return { ...capacity, limits: limitsOf(load, capacity) }
}

function processesFor({
  tasksPerSecond: rate,
  steps,
  modelSeconds,
  toolSeconds,
}: Load): Record<string, number> {
  const further = steps - 1
  const calls: Readonly<Record<string, number>> = {
    planner: rate * steps * modelSeconds,
    'tool-executor': rate * further * toolSeconds,
  }
  const counted = Object.entries(commitsOf).map(([service, [ofTask, ofStep]]) => {
    const cores = (rate * (ofTask + ofStep * further) * MS_A_COMMIT.fleet) / 1_000 / USED_CORE
    const forCalls = (calls[service] ?? 0) / CALLS_A_PROCESS
    return [service, Math.max(LEAST_PROCESSES, Math.ceil(cores), Math.ceil(forCalls))] as const
  })
  return { gateway: LEAST_PROCESSES, ...Object.fromEntries(counted) }
}

function limitsOf({ tasksPerSecond: rate, steps }: Load, capacity: Omit<Capacity, 'limits'>): string[] {
  const { redisOpsPerSecond, postgresRowsPerSecond, partitions, tasksInFlight } = capacity
  const found: [boolean, string][] = [
    [
      redisOpsPerSecond > REDIS_MOST_SYNCED_OPS,
      `Redis: ${redisOpsPerSecond} operations/s, each synced to disk; one node does about ${REDIS_MOST_SYNCED_OPS}. Split tasks over several fleets (FLOTILLA_PREFIX), each with its own Redis`,
    ],
    [
      postgresRowsPerSecond > POSTGRES_MOST_ROWS,
      `PostgreSQL: ${postgresRowsPerSecond} rows/s; plan for about ${POSTGRES_MOST_ROWS} on one server. Split into several fleets, or keep the ledger for less time`,
    ],
    [
      partitions > PARTITIONS_MOST,
      `${partitions} partitions of each of ${topics.length + STAGES} topics: elections and opening of lanes get slow beyond ${PARTITIONS_MOST}. Raise limits.queue.inFlight, or split into several fleets`,
    ],
    [
      partitions > LEAST_LANES,
      `FLOTILLA_PARTITIONS=${partitions} must be set before the topics exist: it can't be changed later`,
    ],
    [
      true,
      `Models: ${round(rate * steps)} calls/s, ${tasksInFlight} tasks under way: most fleets reach the limits of their providers (requests and tokens a minute) first`,
    ],
  ]
  return found.filter(([applies]) => applies).map(([, text]) => text)
}

const round = (value: number): number => Math.round(value * 10) / 10
