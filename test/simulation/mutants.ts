// Fleets that break one promise each, by injection at a port: the simulator must notice every one of them.
import type { LaneCommit, OpenLane, Position } from '../../runtime/log/port.ts'
import { CommitUncertain } from '../../runtime/log/port.ts'
import type { FaultyLog } from '../../runtime/log/memory/faults.ts'
import type { World } from '../../runtime/testing/simulator/sim-process.ts'
import type { Mutation } from './simulate.ts'

type Commit = (commit: LaneCommit, lane: OpenLane) => Promise<void>

/** The machinery of the mutants below, which breaks nothing: it must not be noticed. */
export const unchanged: Mutation = committing((commit, lane) => lane.commit(commit))

export const mutants: Readonly<Record<string, Mutation>> = {
  'a journal that forgets outcomes': (world) => ({
    ...world,
    keyValue: {
      ...world.keyValue,
      compareAndSet: async (key, expected, next, ttlMs) =>
        next.includes('"state":"done"')
          ? { swapped: true }
          : world.keyValue.compareAndSet(key, expected, next, ttlMs),
    },
  }),
  'a journal whose compare-and-set compares nothing': (world) => ({
    ...world,
    keyValue: {
      ...world.keyValue,
      compareAndSet: async (key, _expected, next, ttlMs) => {
        await world.keyValue.set(key, next, ttlMs)
        return { swapped: true }
      },
    },
  }),
  'leases that have always lapsed': (world) => ({ ...world, journal: { ...world.journal, leaseMs: 0 } }),
  'a commit that skips what is unfinished': committing((commit, lane) =>
    lane.commit({ ...commit, positions: commit.positions.map(pastEverything) }),
  ),
  'a commit that drops state rows': committing((commit, lane) => lane.commit({ ...commit, rows: [] })),
  'a commit that is not atomic: records first, then rows and positions': committing(async (commit, lane) => {
    await lane.commit({ records: commit.records, rows: [], positions: [] })
    await lane.commit({ ...commit, records: [] })
  }),
  'an uncertain commit that is tried again': committing((commit, lane) =>
    lane.commit(commit).catch((error: unknown) => {
      if (!(error instanceof CommitUncertain)) throw error
      return lane.commit(commit)
    }),
  ),
  'a stage that forgets whose turn it was: results twice': (world) => ({
    ...world,
    stages: world.stages.map((stage) => ({
      ...stage,
      decide: (event, rows, lane) => {
        const decision = stage.decide(event, rows, lane)
        const again = decision.emit?.filter(({ type }) => type === 'TaskCompleted') ?? []
        return again.length === 0 ? decision : { ...decision, emit: [...(decision.emit ?? []), ...again] }
      },
    })),
  }),
}

/** As if every record taken so far were finished; the first field of the metadata is how many there are. */
function pastEverything({ topic, offset, metadata }: Position): Position {
  const [span = ''] = metadata.split(',')
  return { topic, offset: offset + (span === '' ? 0 : Number.parseInt(span, 36)), metadata: '' }
}

/** Every lane commits by this function instead. */
function committing(commit: Commit): Mutation {
  return (world: World) => ({
    ...world,
    broker: {
      ...world.broker,
      connect: (faults) => changed(world.broker.connect(faults), commit),
    },
  })
}

function changed(log: FaultyLog, commit: Commit): FaultyLog {
  const join: FaultyLog['join'] = async (options, listener) => {
    const membership = await log.join(options, listener)
    const open = async (lane: number) => {
      const opened = await membership.open(lane)
      return withCommit(opened, (changes) => commit(changes, opened))
    }
    return { open, leave: () => membership.leave() }
  }
  return {
    ...log,
    join,
    get crashed() {
      return log.crashed
    },
  }
}

function withCommit(lane: OpenLane, commit: OpenLane['commit']): OpenLane {
  return {
    lane: lane.lane,
    epoch: lane.epoch,
    rows: lane.rows,
    positions: lane.positions,
    start: (onRecords) => lane.start(onRecords),
    pause: (topics) => lane.pause(topics),
    resume: (topics) => lane.resume(topics),
    close: () => lane.close(),
    commit,
  }
}
