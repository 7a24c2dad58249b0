// One run of the kill test, from empty servers to whole evidence. It judges nothing.
//
// Phases: `full`, a calm fleet as fast as it goes with plain tasks, which tells what the machine holds; `calm`, at the rate
// of the chaos; `chaos`; then what is in flight ends.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { connect } from '../../../client/index.ts'
import type { Client } from '../../../client/types.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { openCodec } from '../../../runtime/codec/open.ts'
import { openKafkaLog } from '../../../runtime/log/kafka/open.ts'
import { Random } from '../../../runtime/testing/simulator/random.ts'
import { eventually } from '../../conformance/waiting.ts'
import { stageNames } from '../../../services/index.ts'
import { keysOf } from '../../support/kcat.ts'
import { evidenceIn, note } from '../evidence.ts'
import { recordTopics } from '../history.ts'
import { startLoad, type LoadOptions } from '../load.ts'
import { PARTITIONS } from '../kinds/conversations.ts'
import { isSubmitted, mixedKind, peopleTasks, taskOf, type ChaosTask } from '../tasks.ts'
import { startWorld } from '../world.ts'
import { startServers } from './cluster.ts'
import { watchCommits } from './commits.ts'
import { startDeciders } from './deciders.ts'
import { wreak } from './havoc.ts'
import { Instances } from './instances.ts'

export interface RunOptions {
  /** Directory of the evidence. */
  readonly out: string
  readonly minutes: number
  readonly seed: number
  /** Without it, a part of what the calm fleet does as fast as it goes. */
  readonly ratePerSecond?: number
}

export interface Ran {
  readonly ratePerSecond: number
  /** Keys of tasks.completed as kcat reads them: as many, and the same. */
  readonly readersAgree: boolean
  /** Why the run itself could not go on. */
  readonly aborted: string | null
}

const FULL_S = 15
/** The first seconds of a process are compiling. */
const FULL_WARM_S = 5
const FULL_IN_FLIGHT = 48
const CALM_S = 20
const CHAOS_IN_FLIGHT = 400
/** Of trees and sessions one submission is several tasks. */
const SHARE_OF_FULL = 0.25
const MOST_PER_SECOND = 4
const DRAINED_WITHIN_MS = 180_000
const PREFIX = 'chaos'

export async function run(options: RunOptions): Promise<Ran> {
  const files = evidenceIn(options.out)
  say(`seed ${options.seed}; bringing up three brokers, Redis, PostgreSQL and a registry`)
  const servers = await startServers()
  await using world = await startWorld(options.out)
  const env = {
    ...servers.env,
    ...world.env,
    FLOTILLA_PREFIX: PREFIX,
    FLOTILLA_PARTITIONS: String(PARTITIONS),
    FLOTILLA_CONFIG: join(import.meta.dirname, '../fleet.config.ts'),
    FLOTILLA_SESSION_TIMEOUT_MS: '6000',
    FLOTILLA_TRANSACTION_TIMEOUT_MS: '10000',
    LOG_LEVEL: 'warn',
  }
  const fleet = new Instances(env)
  try {
    await fleet.startAll()
    const watch = await watchCommits(servers.kafka.bootstrap, PREFIX, stageNames, files.commits)
    const client = await connect({ env })
    const deciders = startDeciders({
      url: () => fleet.url(),
      onLog: (decision) => client.approve(decision),
      say,
    })
    try {
      const results = new Set<string>()
      void collect(client, results)
      const facts = { ratePerSecond: 0, aborted: null as string | null }
      // Whatever goes wrong with the run itself, what is on the topics by then is worth reading.
      await phases(options, { servers, fleet, results }, facts).catch((error: Error) => {
        say(error.stack ?? error.message)
        facts.aborted = error.message
      })
      await eventually('no task is open', () => isIdle(fleet.url()), DRAINED_WITHIN_MS).catch(
        (error: Error) => say(error.message),
      )
      deciders.stop()
      say(
        `decisions that came too late, by HTTP status: ${JSON.stringify(Object.fromEntries(deciders.late))}`,
      )
      await pause(1_000)
      watch.stop()
      for (const complaint of await fleet.drainAll()) say(complaint)
      return { ...facts, readersAgree: await evidence(env, files.topics) }
    } finally {
      deciders.stop()
      watch.stop()
      await client.close()
    }
  } finally {
    writeFileSync(join(options.out, 'processes.log'), fleet.outputs())
    await fleet.killAll()
    await servers.stop()
  }
}

type Tasks = (phase: string, index: number) => readonly ChaosTask[]
type Parts = { servers: Awaited<ReturnType<typeof startServers>>; fleet: Instances; results: Set<string> }

async function phases(
  { out, minutes, seed, ratePerSecond }: RunOptions,
  parts: Parts,
  facts: { ratePerSecond: number },
): Promise<void> {
  const { fleet, results, servers } = parts
  const { clients, happenings } = evidenceIn(out)
  const random = new Random(seed)
  const plain = (name: string, index: number): readonly ChaosTask[] => [
    taskOf(name, mixedKind(index), index, () => random.next()),
  ]
  const withPeople = (name: string, index: number) => peopleTasks(name, index, () => random.next())
  const load = async (
    name: string,
    { tasks = withPeople, ...rate }: Pick<Partial<LoadOptions>, 'inFlight' | 'perSecond'> & { tasks?: Tasks },
    during: () => Promise<void>,
  ) => {
    const before = results.size
    const running = startLoad({
      url: () => fleet.url(),
      inFlight: CHAOS_IN_FLIGHT,
      completed: () => results.size - before,
      tasks: (index) => tasks(name, index),
      clients,
      ...rate,
    })
    const atMs = Date.now()
    try {
      await during()
      note(happenings, { what: 'phase', name, atMs, goneMs: atMs, untilMs: Date.now() })
      const submitted = await running.stop()
      const missing = () => submitted.filter((id) => !results.has(id))
      await eventually(
        `the tasks of ${name} have a result`,
        () => missing().length === 0,
        DRAINED_WITHIN_MS,
      ).catch((error: Error) => say(`${error.message}; missing: ${missing().slice(0, 20).join(' ')}`))
      say(`${name}: ${submitted.length} tasks, ${missing().length} without a result`)
    } finally {
      running.abandon()
    }
  }
  let warm = 0
  let full = 0
  await load('full', { inFlight: FULL_IN_FLIGHT, tasks: plain }, async () => {
    await pause(FULL_WARM_S * 1_000)
    warm = results.size
    await pause((FULL_S - FULL_WARM_S) * 1_000)
    full = (results.size - warm) / (FULL_S - FULL_WARM_S)
  })
  const perSecond = ratePerSecond ?? Math.min(MOST_PER_SECOND, full * SHARE_OF_FULL)
  say(
    `calm, as fast as it goes: ${full.toFixed(1)} tasks/s; the load of the chaos: ${perSecond.toFixed(1)} tasks/s`,
  )
  facts.ratePerSecond = perSecond
  await load('calm', { perSecond }, () => pause(CALM_S * 1_000))
  await load('chaos', { perSecond }, () =>
    wreak({ servers, fleet, seed, forMs: minutes * 60_000, happenings, say }),
  )
}

/** What a task that was cancelled had delegated may end after it. */
async function isIdle(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/tasks?status=open&limit=1`, {
      signal: AbortSignal.timeout(15_000),
    })
    return response.ok && ((await response.json()) as { tasks: readonly unknown[] }).tasks.length === 0
  } catch {
    return false
  }
}

/** Until the client is closed; its group goes on where it was. */
async function collect(client: Client, seen: Set<string>): Promise<void> {
  try {
    for await (const { taskId } of client.results({ group: 'chaos', from: 'earliest' }))
      if (isSubmitted(taskId)) seen.add(taskId)
  } catch (error) {
    say(`reading results: ${(error as Error).message}; reading on`)
    await pause(500)
    return collect(client, seen)
  }
}

/** Writes what is on the topics. True: kcat reads the same results. */
async function evidence(env: Readonly<Record<string, string>>, file: string): Promise<boolean> {
  const environment = readEnvironment(env)
  const log = openKafkaLog(environment)
  try {
    const keys = await recordTopics(log, openCodec(environment), file)
    const seen = await keysOf(env['KAFKA_BROKERS'] as string, `${PREFIX}.tasks.completed`)
    return JSON.stringify(seen.toSorted()) === JSON.stringify(keys.toSorted())
  } finally {
    await log.close()
  }
}

const began = performance.now()
function say(line: string): void {
  console.log(`${((performance.now() - began) / 1_000).toFixed(1).padStart(7)} s  ${line}`)
}
