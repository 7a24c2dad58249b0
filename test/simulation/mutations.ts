// Ways to break a fleet at a port: the building blocks of mutants.ts.
import type {
  LaneCommit,
  LaneListener,
  OpenLane,
  OutgoingRecord,
  Position,
  StateRow,
} from '../../runtime/log/port.ts'
import { CommitFailed } from '../../runtime/log/port.ts'
import type { FaultyLog } from '../../runtime/testing/memory/log/faults.ts'
import type { Guard } from '../../runtime/host/calls/guard.ts'
import type { Callers } from '../../runtime/service.ts'
import type { Caller, CallOutcome, Decision, Stage } from '../../runtime/stage.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import { headers } from '../../schemas/topics.ts'
import { FORGET_ANSWERED } from '../../services/router/answered.ts'
import { REMEMBER_MS } from '../../services/router/constants.ts'
import type { Mutation } from './simulate.ts'

interface LaneChanges {
  readonly commit?: (commit: LaneCommit, lane: OpenLane) => Promise<void>
  /** Changes the rows that the host gets at the opening. */
  readonly open?: (rows: readonly StateRow[]) => readonly StateRow[]
  readonly listener?: (listener: LaneListener) => LaneListener
  /** The group does not hear which lanes a member declines. */
  readonly isDeaf?: boolean
}

/** Changes every lane of every process. */
export function lanes(changes: LaneChanges): Mutation {
  return {
    world: (world) => ({
      ...world,
      broker: { ...world.broker, connect: (faults) => changed(world.broker.connect(faults), () => changes) },
    }),
  }
}

function changed(log: FaultyLog, changesOf: (group: string, lane: number) => LaneChanges): FaultyLog {
  const join: FaultyLog['join'] = async (options, listener) => {
    const { listener: heard = (right: LaneListener) => right } = changesOf(options.group, -1)
    const membership = await log.join(options, heard(listener))
    const open = async (lane: number) => {
      const opened = await membership.open(lane)
      return changedLane(opened, changesOf(options.group, lane))
    }
    const { isDeaf = false } = changesOf(options.group, -1)
    return {
      joined: membership.joined,
      open,
      decline: (lane) => void (isDeaf || membership.decline?.(lane)),
      leave: () => membership.leave(),
    }
  }
  return {
    ...log,
    join,
    get crashed() {
      return log.crashed
    },
  }
}

function changedLane(lane: OpenLane, { commit, open = (rows) => rows }: LaneChanges): OpenLane {
  return {
    lane: lane.lane,
    epoch: lane.epoch,
    rows: open([...lane.rows]),
    positions: lane.positions,
    start: (onRecords, onEnded) => lane.start(onRecords, onEnded),
    pause: (topics) => lane.pause(topics),
    resume: (topics) => lane.resume(topics),
    releaseRows: () => lane.releaseRows(),
    close: () => lane.close(),
    commit: (changes) => (commit ? commit(changes, lane) : lane.commit(changes)),
  }
}

/** Rows that were ever written come back. */
export function withEveryRow(world: World): World {
  return rowsKeptFor(world, () => true)
}

/** A process keeps the effects of every commit, written or not. */
export function withUncommittedRows(world: World): World {
  return rowsKeptFor(world, (error) => error !== null)
}

function rowsKeptFor(world: World, keeps: (error: unknown) => boolean): World {
  const connect: World['broker']['connect'] = (faults) => {
    const kept = new Map<string, Map<string, StateRow>>()
    return changed(world.broker.connect(faults), (group, lane) => {
      const place = `${group}/${lane}`
      const own = kept.get(place) ?? new Map<string, StateRow>()
      kept.set(place, own)
      return {
        open: (rows) => [...new Map([...rows, ...own.values()].map((row) => [row.key, row])).values()],
        commit: async (commit, opened) => {
          const error = await opened.commit(commit).then(
            () => null,
            (reason: unknown) => reason,
          )
          if (keeps(error)) for (const row of commit.rows) if (row.value !== null) own.set(row.key, row)
          if (error !== null) throw error
        },
      }
    })
  }
  return { ...world, broker: { ...world.broker, connect } }
}

/** After a failed commit a lane takes its identity back, even from a new owner, and goes on from memory. */
export function renewedInPlace(): Mutation {
  const taken = new Map<string, number>()
  const placeOf = (group: string, lane: number): string => `${group}/${lane}`
  return {
    storage: (storage) => ({
      ...storage,
      epoch: (group, lane) => taken.get(placeOf(group, lane)) ?? storage.epoch(group, lane),
      raiseEpoch: (group, lane) => {
        taken.delete(placeOf(group, lane))
        return storage.raiseEpoch(group, lane)
      },
    }),
    world: (world) => {
      const { clock, fate, broker } = world
      taken.clear()
      const renewing = (group: string, lane: number): LaneChanges => {
        let isSpent = false
        const commit = async (changes: LaneCommit, open: OpenLane): Promise<void> => {
          if (isSpent) {
            const delayMs = fate.between(0, 10_000, `renewal of ${placeOf(group, lane)}`)
            await new Promise<void>((resume) => clock.schedule(delayMs, resume))
            taken.set(placeOf(group, lane), open.epoch)
            isSpent = false
          }
          await open.commit(changes).catch((error: unknown) => {
            isSpent = error instanceof CommitFailed
            throw error
          })
        }
        return { commit }
      }
      return {
        ...world,
        broker: { ...broker, connect: (faults) => changed(broker.connect(faults), renewing) },
      }
    },
  }
}

export function everyStage(change: (stage: Stage) => Stage): Mutation {
  return { world: (world) => ({ ...world, stages: world.stages.map(change) }) }
}

export function stage(name: string, change: (stage: Stage) => Stage): Mutation {
  return everyStage((each) => (each.name === name ? change(each) : each))
}

/** The guards of every process. */
export function guards(change: (guard: Guard) => Guard): Mutation {
  const mutated = (made: Callers): Callers => ({
    ...made,
    guards: Object.fromEntries(
      Object.entries(made.guards ?? {}).map(([kind, guard]) => [kind, change(guard)]),
    ),
  })
  return { world: (world) => ({ ...world, callers: (process) => mutated(world.callers(process)) }) }
}

/** The callers of models, in every process. */
export function callers(change: (caller: Caller) => Caller): Mutation {
  const mutated = (made: Callers): Callers => ({
    ...made,
    callers: Object.fromEntries(
      Object.entries(made.callers).map(([kind, caller]) => [
        kind,
        kind === 'model' ? change(caller) : caller,
      ]),
    ),
  })
  return { world: (world) => ({ ...world, callers: (process) => mutated(world.callers(process)) }) }
}

/** A reader with a group takes lanes of the stage of that name, and does nothing with them. */
export function withReaders(world: World): World {
  const nothing = (): void => undefined
  const connect: World['broker']['connect'] = (faults) => {
    const log = world.broker.connect(faults)
    const tail: FaultyLog['tail'] = (options, handler) => {
      const { group, topics } = options
      if (group === undefined) return log.tail(options, handler)
      const listener = { onAssigned: nothing, onRevoked: nothing, onError: nothing }
      const joined = log.join({ group, topics, instance: 'reader' }, listener)
      return { ready: Promise.resolve(), close: async () => (await joined).leave() }
    }
    return { ...log, tail }
  }
  return { ...world, broker: { ...world.broker, connect } }
}

/** The timer that ends a bucket of ids fires after a second, and expires it. */
export function forgetful(router: Stage): Stage {
  const soon = (decision: Decision, atMs: number): Decision =>
    decision.timers?.[FORGET_ANSWERED] === undefined
      ? decision
      : { ...decision, timers: { ...decision.timers, [FORGET_ANSWERED]: atMs + 1_000 } }
  return {
    ...router,
    conclude: (event, ...others) => soon(router.conclude?.(event, ...others) ?? {}, event.atMs),
    decide(event, ...others) {
      const isDue = event.type === 'TimerFired' && event.data.name === FORGET_ANSWERED
      const atMs = event.atMs + (isDue ? 2 * REMEMBER_MS : 0)
      return soon(router.decide({ ...event, atMs }, ...others), event.atMs)
    },
  }
}

export function twice(decision: Decision): Decision {
  const again = decision.emit?.filter(({ type }) => type === 'TaskCompleted') ?? []
  return again.length === 0 ? decision : { ...decision, emit: [...(decision.emit ?? []), ...again] }
}

export const schemaOf = ({ headers: header }: OutgoingRecord): string | undefined => header[headers.schema]
export const isClosing = (record: OutgoingRecord): boolean => schemaOf(record) === 'TaskClosed'
export const isStopped = (outcome: CallOutcome): boolean =>
  !outcome.ok && (outcome.failure.code === 'CALL_ABORTED' || outcome.failure.code === 'CALL_TIMEOUT')

/** As if every record taken so far were finished; the first field of the metadata is how many there are. */
export function pastEverything({ topic, offset, metadata }: Position): Position {
  const [span = ''] = metadata.split(',')
  return { topic, offset: offset + (span === '' ? 0 : Number.parseInt(span, 36)), metadata: '' }
}
