// What is done to the fleet: four hands, each with its own random numbers from the seed, until the time is over. What is
// broken at the end is mended before it returns.
import { setTimeout as pause } from 'node:timers/promises'
import { Random } from '../../../runtime/testing/simulator/random.ts'
import { eventually } from '../../conformance/waiting.ts'
import type { Broker } from '../../infra/kafka.ts'
import { serviceNames } from '../../../services/index.ts'
import { note, type Happening } from '../evidence.ts'
import { isInSync, type Servers } from './cluster.ts'
import type { Instances } from './instances.ts'

export interface Havoc {
  readonly servers: Servers
  readonly fleet: Instances
  readonly seed: number
  readonly forMs: number
  /** File of what was done. */
  readonly happenings: string
  say(line: string): void
}

const KILL_EVERY_MS = 10_000
const IN_SYNC_WITHIN_MS = 300_000
const BROKER_TRIES = 5
/** Of each service, at most. */
const MOST_INSTANCES = 2

export async function wreak(havoc: Havoc): Promise<void> {
  const untilMs = Date.now() + havoc.forMs
  const hands = [killServices, killBrokers, restartRedis, addAndRemove]
  await Promise.all(hands.map((hand, index) => hand(havoc, new Random(havoc.seed * 4 + index), untilMs)))
  await eventually('all replicas are in sync', () => inSync(havoc), IN_SYNC_WITHIN_MS)
}

type Done = Omit<Happening, 'untilMs' | 'goneMs'> & { goneMs?: number }

function noted({ happenings, say }: Havoc, done: Done): void {
  const untilMs = Date.now()
  note(happenings, { goneMs: done.atMs, ...done, untilMs })
  say(`${done.what} ${done.name}, over after ${((untilMs - done.atMs) / 1_000).toFixed(1)} s`)
}

/** False when the time is over before. */
async function waited(ms: number, untilMs: number): Promise<boolean> {
  await pause(Math.max(0, Math.min(ms, untilMs - Date.now())))
  return Date.now() < untilMs
}

/** One every ten seconds, whatever else goes on; another takes its place at once. */
async function killServices(havoc: Havoc, random: Random, untilMs: number): Promise<void> {
  const starting: Promise<unknown>[] = []
  while (await waited(KILL_EVERY_MS, untilMs)) {
    const { fleet } = havoc
    if (fleet.ready.length === 0) continue
    const victim = random.pick(fleet.ready)
    const atMs = Date.now()
    fleet.takeOut(victim)
    await victim.process.kill9()
    const goneMs = Date.now()
    const { service } = victim
    const replaced = replace(havoc, service).then(() =>
      noted(havoc, { what: 'kill', name: service, atMs, goneMs }),
    )
    starting.push(replaced)
  }
  await Promise.all(starting)
}

/** One that does not get ready is told and replaced in turn: the run goes on, as an orchestrator would. */
async function replace({ fleet, say }: Havoc, service: string): Promise<void> {
  for (;;)
    try {
      return void (await fleet.start(service))
    } catch (error) {
      say((error as Error).message)
    }
}

/** The next one when the last one is back in sync. */
async function killBrokers(havoc: Havoc, random: Random, untilMs: number): Promise<void> {
  const { brokers } = havoc.servers.kafka
  while (await waited(random.between(3_000, 12_000), untilMs)) {
    await eventually('all replicas are in sync', () => inSync(havoc), IN_SYNC_WITHIN_MS)
    if (Date.now() >= untilMs) return
    const broker = random.pick(brokers)
    const atMs = Date.now()
    await broker.kill9()
    const goneMs = Date.now()
    await pause(random.between(1_000, 6_000))
    await startAgain(broker, havoc.say)
    noted(havoc, { what: 'broker', name: String(broker.nodeId), atMs, goneMs })
  }
}

/** A machine that is busy with other work may need more than the time of one try. */
async function startAgain({ nodeId, restart }: Broker, say: Havoc['say']): Promise<void> {
  for (let tries = 1; ; tries++)
    try {
      return await restart()
    } catch (error) {
      if (tries === BROKER_TRIES) throw error
      say(`broker ${nodeId}, try ${tries}: ${(error as Error).message.slice(0, 200)}`)
    }
}

async function inSync({ servers }: Havoc): Promise<boolean> {
  await pause(500)
  return isInSync(servers.kafka.bootstrap).catch(() => false)
}

/** By SIGTERM or by SIGKILL. */
async function restartRedis(havoc: Havoc, random: Random, untilMs: number): Promise<void> {
  const { redis } = havoc.servers
  while (await waited(random.between(15_000, 40_000), untilMs)) {
    const atMs = Date.now()
    const killed = random.chance(0.5)
    if (killed) await redis.kill9()
    await redis.restart()
    noted(havoc, { what: 'redis', name: killed ? 'SIGKILL' : 'SIGTERM', atMs })
  }
}

/** A second instance of a service joins, or one of two drains and leaves. */
async function addAndRemove(havoc: Havoc, random: Random, untilMs: number): Promise<void> {
  while (await waited(random.between(10_000, 25_000), untilMs)) {
    const service = random.pick(serviceNames)
    const running = havoc.fleet.of(service)
    const atMs = Date.now()
    if (running.length >= MOST_INSTANCES) {
      const leaving = random.pick(running)
      havoc.fleet.takeOut(leaving)
      const code = await leaving.process.drain()
      if (code !== 0)
        havoc.say(`${service} ended with ${code} when asked to leave: ${leaving.process.output()}`)
      noted(havoc, { what: 'removed', name: service, atMs })
    } else if (running.length > 0) {
      await replace(havoc, service)
      noted(havoc, { what: 'added', name: service, atMs })
    }
  }
}
