// Fleets that break one promise each, by injection at a port: the simulator must notice every one of them. `seeds`: how many
// seeds it takes at most, counted from 1.
import type {
  LaneCommit,
  LaneListener,
  OpenLane,
  OutgoingRecord,
  Position,
  StateRow,
} from '../../runtime/log/port.ts'
import { CommitFailed, CommitUncertain, LaneFenced } from '../../runtime/log/port.ts'
import type { FaultyLog } from '../../runtime/log/memory/faults.ts'
import type { Guard } from '../../runtime/host/guard.ts'
import type { Callers } from '../../runtime/service.ts'
import type { Decision, Stage } from '../../runtime/stage.ts'
import type { World } from '../../runtime/testing/simulator/world.ts'
import { headers } from '../../schemas/topics.ts'
import type { Mutation } from './simulate.ts'

export interface Mutant extends Mutation {
  readonly seeds: number
}

/** The machinery of the mutants below, which breaks nothing: it must not be noticed. */
export const unchanged: Mutation = {
  ...lanes({}),
  storage: (storage) => ({ ...storage }),
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'positions are committed before outputs': {
    seeds: 10,
    ...lanes({
      commit: async (commit, lane) => {
        await lane.commit({ ...commit, records: [] })
        await lane.commit({ records: commit.records, rows: [], positions: [] })
      },
    }),
  },
  'outputs are committed before positions': {
    seeds: 10,
    ...lanes({
      commit: async (commit, lane) => {
        await lane.commit({ records: commit.records, rows: [], positions: [] })
        await lane.commit({ ...commit, records: [] })
      },
    }),
  },
  'a position skips what is unfinished before it': {
    seeds: 10,
    ...lanes({
      commit: (commit, lane) => lane.commit({ ...commit, positions: commit.positions.map(pastEverything) }),
    }),
  },
  'what is finished beyond a position is forgotten': {
    seeds: 10,
    ...lanes({
      commit: (commit, lane) =>
        lane.commit({
          ...commit,
          positions: commit.positions.map((position) => ({ ...position, metadata: '' })),
        }),
    }),
  },
  'a former owner is not fenced': {
    seeds: 10,
    // Every opening has the same epoch.
    storage: (storage) => ({ ...storage, epoch: () => 1, raiseEpoch: () => 1 }),
  },
  'outcomes are journalled after the commit': {
    seeds: 10,
    world: (world) => ({
      ...world,
      keyValue: {
        ...world.keyValue,
        compareAndSet: async (key, expected, next, ttlMs) =>
          next.includes('"state":"done"')
            ? { swapped: true }
            : world.keyValue.compareAndSet(key, expected, next, ttlMs),
      },
    }),
  },
  'the journal is not consulted': {
    seeds: 10,
    world: (world) => ({
      ...world,
      keyValue: {
        ...world.keyValue,
        compareAndSet: async (key, expected, next, ttlMs) => {
          const result = await world.keyValue.compareAndSet(key, expected, next, ttlMs)
          if (!result.swapped)
            await world.keyValue.set(key, next, typeof ttlMs === 'object' ? ttlMs.ttlMs : ttlMs)
          return { swapped: true }
        },
      },
    }),
  },
  'leases are ignored': {
    seeds: 20,
    world: (world) => ({ ...world, journal: { ...world.journal, leaseMs: 1 } }),
  },
  'state rows are not written': {
    seeds: 10,
    ...lanes({ commit: (commit, lane) => lane.commit({ ...commit, rows: [] }) }),
  },
  'timers are not restored': {
    seeds: 10,
    ...lanes({ open: (rows) => rows.filter(({ key }) => !key.includes('\u0000$timer:')) }),
  },
  'deleted rows are restored': { seeds: 10, world: withEveryRow },
  'state of a failed commit is kept': { seeds: 20, world: withUncommittedRows },
  'a commit of unknown outcome is tried again': {
    seeds: 10,
    ...lanes({
      commit: (commit, lane) =>
        lane.commit(commit).catch((error: unknown) => {
          if (!(error instanceof CommitUncertain)) throw error
          return lane.commit(commit)
        }),
    }),
  },
  'a commit that is tried again has lost its events': {
    seeds: 10,
    ...lanes({
      commit: (commit, lane) =>
        lane.commit(commit).catch((error: unknown) => {
          if (!(error instanceof CommitFailed)) throw error
          return lane.commit({ ...commit, records: [] })
        }),
    }),
  },
  'a lane that was taken away works on': {
    seeds: 10,
    ...lanes({ listener: (listener) => ({ ...listener, onRevoked: () => undefined }) }),
  },
  'a spent producer is renewed in place': { seeds: 40, ...renewedInPlace() },
  'a fenced commit counts as written': {
    // Two of the first sixty meet it: whatever is lost so is mostly made good by the next owner.
    seeds: 100,
    ...lanes({
      commit: (commit, lane) =>
        lane.commit(commit).catch((error: unknown) => {
          if (!(error instanceof LaneFenced)) throw error
        }),
    }),
  },
  'a record that was moved home is answered again': {
    seeds: 10,
    ...stage('router', (router) => ({
      ...router,
      decide: (event, rows, lane) => router.decide(event, event.type === 'TaskSubmitted' ? {} : rows, lane),
    })),
  },
  'interrupts are lost': { seeds: 40, ...everyStage(({ interrupts: _, ...others }) => others) },
  'the end of a task is not told': {
    seeds: 10,
    ...lanes({
      commit: (commit, lane) =>
        lane.commit({ ...commit, records: commit.records.filter((record) => !isClosing(record)) }),
    }),
  },
  'results are emitted twice': {
    seeds: 1,
    ...everyStage((each) => ({
      ...each,
      decide: (event, rows, lane) => twice(each.decide(event, rows, lane)),
    })),
  },
  'what is reserved again is taken again': {
    seeds: 10,
    limits: (limits) => {
      const asked = new Set<string>()
      return {
        ...limits,
        reserve: (request) => {
          const id = asked.has(request.id) ? `${request.id} again` : request.id
          asked.add(request.id)
          return limits.reserve({ ...request, id })
        },
      }
    },
  },
  'settling does not give the rest of a reservation back': {
    seeds: 10,
    limits: (limits) => ({
      ...limits,
      settle: (request) => limits.settle({ ...request, id: `${request.id} settled` }),
    }),
  },
  'twice a budget may be reserved': {
    seeds: 20,
    limits: (limits) => ({
      ...limits,
      reserve: (request) =>
        limits.reserve({
          ...request,
          alternatives: request.alternatives.map((claims) =>
            claims.map((claim) => ({ ...claim, limit: claim.limit * 2 })),
          ),
        }),
    }),
  },
  'only the first call of a task is reserved': {
    seeds: 10,
    ...guards((guard) => {
      const asked = new Set<string>()
      const reserve: Guard['reserve'] = async (guarded) =>
        asked.has(guarded.key) ? null : (asked.add(guarded.key), guard.reserve(guarded))
      return { ...guard, reserve }
    }),
  },
  'a call that failed settles nothing': {
    seeds: 20,
    ...guards((guard) => ({
      ...guard,
      settle: async (guarded, outcome) => (outcome.ok ? guard.settle(guarded, outcome) : undefined),
    })),
  },
  'each process has a journal of its own': {
    seeds: 10,
    world: (world) => ({
      ...world,
      // The entry carries its owner; others look elsewhere.
      keyValue: {
        ...world.keyValue,
        compareAndSet: (key, expected, next, ttlMs) => {
          const { owner = '' } = JSON.parse(expected ?? next) as { owner?: string }
          return world.keyValue.compareAndSet(`${key} ${owner}`, expected, next, ttlMs)
        },
      },
    }),
  },
}

interface LaneChanges {
  readonly commit?: (commit: LaneCommit, lane: OpenLane) => Promise<void>
  /** Rows as the host gets them at the opening. */
  readonly open?: (rows: readonly StateRow[]) => readonly StateRow[]
  readonly listener?: (listener: LaneListener) => LaneListener
}

/** Every lane of every process behaves so. */
function lanes(changes: LaneChanges): Mutation {
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
    return { joined: membership.joined, open, leave: () => membership.leave() }
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
    rows: open(lane.rows),
    positions: lane.positions,
    start: (onRecords) => lane.start(onRecords),
    pause: (topics) => lane.pause(topics),
    resume: (topics) => lane.resume(topics),
    close: () => lane.close(),
    commit: (changes) => (commit ? commit(changes, lane) : lane.commit(changes)),
  }
}

/** Rows that were ever written come back. */
function withEveryRow(world: World): World {
  return rowsKeptFor(world, () => true)
}

/** A process keeps what it tried to commit, whether it was written or not. */
function withUncommittedRows(world: World): World {
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

/** After a failed commit a lane takes its identity back, whoever has opened the lane meanwhile, and goes on from memory. */
function renewedInPlace(): Mutation {
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

function everyStage(change: (stage: Stage) => Stage): Mutation {
  return { world: (world) => ({ ...world, stages: world.stages.map(change) }) }
}

function stage(name: string, change: (stage: Stage) => Stage): Mutation {
  return everyStage((each) => (each.name === name ? change(each) : each))
}

/** The guards of every process. */
function guards(change: (guard: Guard) => Guard): Mutation {
  const mutated = (made: Callers): Callers => ({
    ...made,
    guards: Object.fromEntries(
      Object.entries(made.guards ?? {}).map(([kind, guard]) => [kind, change(guard)]),
    ),
  })
  return { world: (world) => ({ ...world, callers: (process) => mutated(world.callers(process)) }) }
}

function twice(decision: Decision): Decision {
  const again = decision.emit?.filter(({ type }) => type === 'TaskCompleted') ?? []
  return again.length === 0 ? decision : { ...decision, emit: [...(decision.emit ?? []), ...again] }
}

const isClosing = ({ headers: header }: OutgoingRecord): boolean => header[headers.schema] === 'TaskClosed'

/** As if every record taken so far were finished; the first field of the metadata is how many there are. */
function pastEverything({ topic, offset, metadata }: Position): Position {
  const [span = ''] = metadata.split(',')
  return { topic, offset: offset + (span === '' ? 0 : Number.parseInt(span, 36)), metadata: '' }
}
