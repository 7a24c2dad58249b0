// How long things took, from the evidence alone.
import type { TopicRecord, Happening, SeenCommit } from '../evidence.ts'
import { allRows, evidenceIn, rowsOf } from '../evidence.ts'
import { isSubmitted, isTimed } from '../tasks.ts'

export interface Timing {
  /**
   * From the kill of an instance until a lane of its service is opened by another: its next commit. Milliseconds. Where
   * nothing else was done to the service meanwhile: a lane of its other instance might be opened for that instead.
   */
  readonly recoveryMs: readonly number[]
  /** The same, where a broker was killed as well, from `NEAR_MS` before to the opening. */
  readonly recoveryNearMs: readonly number[]
  /** Lanes of which it can't be told. */
  readonly unclear: number
  /** … of lanes for which work came within a second of the kill, until the first commit of work. */
  readonly workMs: readonly number[]
  /** By name of the phase. */
  readonly phases: ReadonlyMap<string, Phase>
  readonly happenings: readonly Happening[]
}

export interface Phase {
  readonly seconds: number
  /** Results of submitted tasks that were committed within it, each second. */
  readonly perSecond: number
  /** Of its tasks that nobody cancelled, without people, trees and sessions, from submission to result. */
  readonly latenciesMs: readonly number[]
}

/** A commit of the dead may be seen after its death. */
const LATE_SIGHT_MS = 200
const WORK_WITHIN_MS = 1_000
/** The fleet's session time-out: a member that dies while its coordinator does is missed when another has counted anew. */
export const NEAR_MS = 6_000

export async function timingOf(directory: string): Promise<Timing> {
  const files = evidenceIn(directory)
  const happenings = await allRows<Happening>(files.happenings)
  const lanes = await commitsByLane(files.commits)
  const kills = happenings.filter(({ what }) => what === 'kill')
  const work = await workByLane(files.topics)
  const recoveries = kills.flatMap((kill) =>
    [...lanes.values()].flatMap((commits) => recoveryOf(kill, commits, happenings) ?? []),
  )
  const lasted = (how: Recovery['how']) =>
    recoveries.flatMap((recovery) => (recovery.how === how ? [recovery.ms] : []))
  return {
    recoveryMs: lasted('alone'),
    recoveryNearMs: lasted('broker too'),
    unclear: lasted('unclear').length,
    workMs: kills.flatMap((kill) => [...work.values()].flatMap((lane) => workOf(kill, lane) ?? [])),
    phases: await phasesOf(files.topics, happenings),
    happenings,
  }
}

/** In order, each commit once, when it was first seen. */
async function commitsByLane(file: string): Promise<Map<string, SeenCommit[]>> {
  const lanes = new Map<string, SeenCommit[]>()
  const last = new Map<string, number>()
  for await (const commit of rowsOf<SeenCommit>(file)) {
    const lane = `${commit.stage} ${commit.lane}`
    if (commit.offset <= (last.get(lane) ?? -1)) continue
    last.set(lane, commit.offset)
    const seen = lanes.get(lane)
    if (seen) seen.push(commit)
    else lanes.set(lane, [commit])
  }
  return lanes
}

interface Recovery {
  readonly ms: number
  readonly how: 'alone' | 'broker too' | 'unclear'
}

/** Null: the lane was not the dead one's, as somebody went on with it without opening it. */
function recoveryOf(
  kill: Happening,
  commits: readonly SeenCommit[],
  happenings: readonly Happening[],
): Recovery | null {
  if (commits[0]?.stage !== kill.name) return null
  const opening = commits.find(({ seenMs }) => seenMs > kill.goneMs + LATE_SIGHT_MS)
  if (!opening?.opening) return null
  const ms = opening.seenMs - kill.atMs
  const began = (fromMs: number, { atMs }: Happening) => fromMs < atMs && atMs < opening.seenMs
  const instances = happenings.filter(({ name, what }) => name === kill.name && what !== 'phase')
  if (instances.some((one) => began(kill.atMs, one))) return { ms, how: 'unclear' }
  const brokers = happenings.filter(({ what }) => what === 'broker')
  const near = brokers.some((one) => began(kill.atMs - NEAR_MS, one))
  return { ms, how: near ? 'broker too' : 'alone' }
}

/** What a lane of a stage was given and what it gave, as times of records on topics. */
interface LaneWork {
  readonly stage: string
  readonly givenMs: number[]
  readonly doneMs: number[]
}

/** Of stages that every task passes. */
async function workByLane(topics: string): Promise<Map<string, LaneWork>> {
  const lanes = new Map<string, LaneWork>()
  const of = (stage: string, lane: number): LaneWork => {
    const found = lanes.get(`${stage} ${lane}`) ?? { stage, givenMs: [], doneMs: [] }
    lanes.set(`${stage} ${lane}`, found)
    return found
  }
  for await (const { topic, partition, timestampMs } of rowsOf<TopicRecord>(topics)) {
    const [taker, giver] = [takers[topic], givers[topic]]
    if (taker) of(taker, partition).givenMs.push(timestampMs)
    if (giver) of(giver, partition).doneMs.push(timestampMs)
  }
  return lanes
}

const takers: Readonly<Record<string, string>> = {
  'tasks.submitted': 'router',
  'tasks.admitted': 'planner',
  'tools.requested': 'tool-executor',
}
const givers: Readonly<Record<string, string>> = {
  'tasks.admitted': 'router',
  'tools.requested': 'planner',
  'tasks.completed': 'planner',
  'tools.completed': 'tool-executor',
}

/** Null: nothing came for this lane right after the kill. */
function workOf(kill: Happening, { stage, givenMs, doneMs }: LaneWork): number | null {
  const came = givenMs.some((ms) => kill.goneMs <= ms && ms <= kill.goneMs + WORK_WITHIN_MS)
  if (stage !== kill.name || !came) return null
  const next = doneMs.reduce(
    (least, ms) => (ms > kill.goneMs ? Math.min(least, ms) : least),
    Number.POSITIVE_INFINITY,
  )
  return Number.isFinite(next) ? next - kill.atMs : null
}

async function phasesOf(topics: string, happenings: readonly Happening[]): Promise<Map<string, Phase>> {
  const phases = happenings.filter(({ what }) => what === 'phase')
  const counts = new Map(phases.map(({ name }) => [name, { completed: 0, latenciesMs: [] as number[] }]))
  for await (const { type, data, timestampMs } of rowsOf<TopicRecord>(topics)) {
    if (type !== 'TaskCompleted') continue
    const during = phases.find(({ atMs, untilMs }) => atMs <= timestampMs && timestampMs < untilMs)
    const count = during && counts.get(during.name)
    if (count && isSubmitted(data.taskId)) count.completed++
    const [own = ''] = data.taskId.split('.')
    if (isTimed(data.taskId)) counts.get(own)?.latenciesMs.push(timestampMs - data.submittedAtMs)
  }
  return new Map(
    phases.map(({ name, atMs, untilMs }) => {
      const { completed, latenciesMs } = counts.get(name) ?? { completed: 0, latenciesMs: [] }
      const seconds = (untilMs - atMs) / 1_000
      return [name, { seconds, perSecond: completed / seconds, latenciesMs }]
    }),
  )
}
