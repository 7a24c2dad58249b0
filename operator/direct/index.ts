import { LogClient } from '../../client/log/client.ts'
import type { Codec } from '../../runtime/codec/port.ts'
import type { Environment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { listApprovals } from '../../runtime/ledger/approvals.ts'
import { ledgerReader } from '../../runtime/ledger/reader.ts'
import { limitsReader } from '../../runtime/limits/budget-report.ts'
import type { Limits } from '../../runtime/limits/port.ts'
import type { Log } from '../../runtime/log/port.ts'
import type { BlobStore } from '../../runtime/store/port.ts'
import type { Stage } from '../../runtime/stage.ts'
import type { Sql } from '../../runtime/store/sql.ts'
import type { Operator } from '../index.ts'
import { DirectAlerts } from './alerts.ts'
import { directBreakers } from './breakers.ts'
import { DirectDeadLetters } from './dead-letters/dead-letters.ts'
import { directEvaluations } from './evaluations.ts'
import { directConfiguration } from './configured.ts'
import { DirectKeys } from './keys.ts'
import { directLanes } from './lanes.ts'
import { DirectForks } from './tasks/forks.ts'
import { directMcpServers } from './mcp-servers.ts'
import { lazily } from './lazily.ts'
import { findResult } from './tasks/find-result.ts'
import { DirectPauses } from './pauses.ts'
import { DirectResults } from './tasks/result-pages.ts'
import { DirectSessions } from './sessions.ts'
import { DirectTasks } from './tasks/tasks.ts'
import { directTopics } from './topics.ts'

/** The parts of a fleet that operators work on; each call resolves with the same part. */
export interface FleetParts {
  log(): Promise<Log>
  codec(): Promise<Codec>
  /** Null if the database can't be reached: only large records are kept in it. */
  blobs(): Promise<BlobStore | null>
  sql(): Promise<Sql>
  limits(): Promise<Pick<Limits, 'budgets' | 'correct'>>
  fleet(): Promise<Fleet>
  environment(): Promise<Environment>
  /** Those that decide about tasks, in their order. */
  stages(): Promise<readonly Stage[]>
}

/** The operator on a fleet's own log and stores. A part is opened at the first call that needs it. */
export function directOperator(parts: FleetParts): Operator {
  return {
    tasks: lazily(() => directTasks(parts)),
    results: lazily(async () => new DirectResults(await parts.log(), await parts.codec())),
    forks: lazily(() => directForks(parts)),
    approvals: { list: async (query = {}) => listApprovals(await parts.sql(), query) },
    configuration: lazily(async () => directConfiguration(await parts.fleet(), await parts.environment())),
    mcpServers: lazily(async () =>
      directMcpServers({
        fleet: await parts.fleet(),
        sql: await parts.sql(),
        breakers: directBreakers(await parts.log(), await parts.codec()),
      }),
    ),
    pauses: lazily(async () => new DirectPauses(await parts.log(), await parts.codec())),
    lanes: lazily(async () => directLanes(await parts.log(), await parts.codec())),
    topics: lazily(async () => directTopics(await parts.log())),
    deadLetters: lazily(
      async () => new DirectDeadLetters(await parts.log(), await parts.codec(), await parts.blobs()),
    ),
    breakers: lazily(async () => directBreakers(await parts.log(), await parts.codec())),
    alerts: lazily(
      async () => new DirectAlerts(await parts.log(), await parts.codec(), (await parts.fleet()).alerts),
    ),
    keys: lazily(async () => new DirectKeys(await parts.sql())),
    sessions: new DirectSessions(parts),
    usage: ledgerReader(() => parts.sql()),
    evaluations: directEvaluations(() => parts.sql()),
    limits: lazily(async () =>
      limitsReader({ limits: await parts.limits(), sql: await parts.sql(), fleet: await parts.fleet() }),
    ),
  }
}

export async function directTasks(parts: FleetParts): Promise<DirectTasks> {
  const [log, codec, sql, fleet] = await Promise.all([parts.log(), parts.codec(), parts.sql(), parts.fleet()])
  const client = new LogClient({ log, codec, name: 'operator' })
  return new DirectTasks({
    log,
    codec,
    sql,
    fleet,
    find: (taskId) => findResult({ log, codec }, taskId),
    cancel: (taskId, reason) => client.cancel(taskId, reason),
  })
}

async function directForks(parts: FleetParts): Promise<DirectForks> {
  const [log, codec, blobs, tasks] = await Promise.all([
    parts.log(),
    parts.codec(),
    parts.blobs(),
    directTasks(parts),
  ])
  const client = new LogClient({ log, codec, ...(blobs ? { blobs } : {}), name: 'operator' })
  return new DirectForks({ log, codec, blobs, client, tasks, stages: () => parts.stages() })
}

/** Loads the stages that decide about tasks. */
export type StagesOf = (fleet: Fleet) => Promise<readonly Stage[]>

/** The default of those who replay nothing: stages are not loaded in vain. */
export const noStages: StagesOf = () => Promise.reject(new Error('the stages were not given'))

/** The parts that a process of the fleet has open. */
export function openParts(
  open: { readonly [Name in Exclude<keyof FleetParts, 'stages'>]: Awaited<ReturnType<FleetParts[Name]>> },
  stages: StagesOf = noStages,
): FleetParts {
  return {
    log: async () => open.log,
    codec: async () => open.codec,
    blobs: async () => open.blobs,
    sql: async () => open.sql,
    limits: async () => open.limits,
    fleet: async () => open.fleet,
    environment: async () => open.environment,
    stages: () => stages(open.fleet),
  }
}
