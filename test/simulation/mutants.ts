// Fleets that break one promise each, by injection at a port: the simulator must catch every one.
import { FlotillaError } from '../../runtime/errors.ts'
import { CommitFailed, CommitUncertain, LaneFenced } from '../../runtime/log/port.ts'
import { HOST_PREFIX } from '../../runtime/host/lane/state.ts'
import type { LaneIndex, StageEvent } from '../../runtime/stage.ts'
import type { Guard } from '../../runtime/host/calls/guard.ts'
import { consenting, forgettingWaits, repeatingDoubt } from './people-mutations.ts'
import {
  callers,
  everyStage,
  forgetful,
  guards,
  isClosing,
  isStopped,
  lanes,
  pastEverything,
  renewedInPlace,
  schemaOf,
  stage,
  twice,
  withEveryRow,
  withReaders,
  withUncommittedRows,
} from './mutations.ts'
import { sessionMutants } from './session-mutants.ts'
import { forkMutants } from './fork-mutants.ts'
import type { Mutation } from './simulate.ts'
import { treeMutants } from './tree-mutants.ts'

/** The object with some members replaced; private fields still work. */
function replaced<T extends object>(whole: T, members: Readonly<Record<string, unknown>>): T {
  return new Proxy(whole, {
    get(target, name) {
      if (typeof name === 'string' && name in members) return members[name]
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}

/** The rows of router's lane, as if no submitted id had been answered. */
function withoutAnswered(event: StageEvent, lane: LaneIndex): LaneIndex {
  if (event.type !== 'TaskSubmitted') return lane
  const { answered } = lane as unknown as { answered: object }
  return replaced(lane, { answered: replaced(answered, { has: () => false }) })
}

/** The machinery of the mutants below without a fault: nothing must be caught. */
export const unchanged: Mutation = {
  ...lanes({}),
  storage: (storage) => ({ ...storage }),
}

export const mutants: Readonly<Record<string, Mutation>> = {
  ...sessionMutants,
  ...forkMutants,
  'positions are committed before outputs': lanes({
    commit: async (commit, lane) => {
      await lane.commit({ ...commit, records: [] })
      await lane.commit({ records: commit.records, rows: [], positions: [] })
    },
  }),
  'outputs are committed before positions': lanes({
    commit: async (commit, lane) => {
      await lane.commit({ records: commit.records, rows: [], positions: [] })
      await lane.commit({ ...commit, records: [] })
    },
  }),
  'a position skips what is unfinished before it': lanes({
    commit: (commit, lane) => lane.commit({ ...commit, positions: commit.positions.map(pastEverything) }),
  }),
  'what is finished beyond a position is forgotten': lanes({
    commit: (commit, lane) =>
      lane.commit({
        ...commit,
        positions: commit.positions.map((position) => ({ ...position, metadata: '' })),
      }),
  }),
  'a former owner is not fenced': {
    // Every opening has the same epoch.
    storage: (storage) => ({ ...storage, epoch: () => 1, raiseEpoch: () => 1 }),
  },
  'outcomes are journalled after the commit': {
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
    world: (world) => ({
      ...world,
      keyValue: {
        ...world.keyValue,
        compareAndSet: async (...write) => {
          const result = await world.keyValue.compareAndSet(...write)
          return result.swapped ? result : { swapped: false, current: result.current }
        },
      },
    }),
  },
  'state rows are not written': lanes({ commit: (commit, lane) => lane.commit({ ...commit, rows: [] }) }),
  'timers are not restored': lanes({
    open: (rows) => rows.filter(({ key }) => !key.includes('\u0000$timer:')),
  }),
  'deleted rows are restored': { world: withEveryRow },
  'state of a failed commit is kept': { world: withUncommittedRows },
  'a commit of unknown outcome is tried again': {
    // A fence or a later commit repairs most of it.
    ...lanes({
      commit: (commit, lane) =>
        lane.commit(commit).catch((error: unknown) => {
          if (!(error instanceof CommitUncertain)) throw error
          return lane.commit(commit)
        }),
    }),
  },
  'a commit that is tried again has lost its events': lanes({
    commit: (commit, lane) =>
      lane.commit(commit).catch((error: unknown) => {
        if (!(error instanceof CommitFailed)) throw error
        return lane.commit({ ...commit, records: [] })
      }),
  }),
  'a lane that was taken away works on': lanes({
    listener: (listener) => ({ ...listener, onRevoked: () => undefined }),
  }),
  'a spent producer is renewed in place': renewedInPlace(),
  'a fenced commit counts as written': {
    // Two of the first sixty meet it: the next owner repairs most of the losses.
    ...lanes({
      commit: (commit, lane) =>
        lane.commit(commit).catch((error: unknown) => {
          if (!(error instanceof LaneFenced)) throw error
        }),
    }),
  },
  'a record that was moved home is answered again': stage('router', (router) => ({
    ...router,
    decide: (event, rows, lane) =>
      router.decide(event, event.type === 'TaskSubmitted' ? {} : rows, withoutAnswered(event, lane)),
  })),
  // One seed of thirty meets it: the task must end while its call is still to be made.
  'interrupts are lost': everyStage(({ interrupts: _, ...others }) => others),
  'the end of a task is not told': lanes({
    commit: (commit, lane) =>
      lane.commit({ ...commit, records: commit.records.filter((record) => !isClosing(record)) }),
  }),
  'results are emitted twice': everyStage((each) => ({
    ...each,
    decide: (event, rows, lane) => twice(each.decide(event, rows, lane)),
  })),
  'what is reserved again is taken again': {
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
    limits: ({ settleIf: _, ...limits }) => ({
      ...limits,
      settle: (request) => limits.settle({ ...request, id: `${request.id} settled` }),
    }),
  },
  'twice a budget may be reserved': {
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
  'only the first call of a task is reserved': guards((guard) => {
    const asked = new Set<string>()
    const reserve: Guard['reserve'] = async (guarded) =>
      asked.has(guarded.key) ? null : (asked.add(guarded.key), guard.reserve(guarded))
    return { ...guard, reserve }
  }),
  'a call that failed settles nothing': guards(({ settleIf: _, ...guard }) => ({
    ...guard,
    settle: async (guarded, outcome) => (outcome.ok ? guard.settle(guarded, outcome) : undefined),
  })),
  'what can’t be read is thrown away': {
    abilities: ['hostile ids', 'any size'],
    ...lanes({
      commit: (commit, lane) =>
        lane.commit({
          ...commit,
          records: commit.records.filter((record) => schemaOf(record) !== 'DeadLettered'),
        }),
    }),
  },
  'a lane takes one record at a time': {
    abilities: ['floods'],
    world: (world) => ({ ...world, hostOptions: { ...world.hostOptions, maxPendingPerLane: 1 } }),
  },
  'positions have no bound': {
    abilities: ['metadata floods'],
    world: (world) => ({ ...world, hostOptions: { ...world.hostOptions, maxMetadataBytes: 1_000_000 } }),
  },
  'a payload that is lost is waited for': {
    abilities: ['missing payloads'],
    world: (world) => ({
      ...world,
      blobs: {
        ...world.blobs,
        get: async (hash) => {
          const found = await world.blobs.get(hash)
          if (found === null) throw new FlotillaError('STORE_UNAVAILABLE', 'injected: it may come yet')
          return found
        },
      },
    }),
  },
  'readers join the groups of stages': { abilities: ['stage-named readers'], world: withReaders },
  'ids are forgotten after a second': {
    abilities: ['foreign times'],
    ...stage('router', forgetful),
  },
  'deaths are not written down': {
    abilities: ['deadly events'],
    ...lanes({
      commit: (commit, lane) =>
        lane.commit({ ...commit, rows: commit.rows.filter(({ key }) => !key.startsWith(HOST_PREFIX)) }),
    }),
  },
  'a lane that a member can’t read stays with it': {
    abilities: ['mixed versions'],
    ...lanes({ isDeaf: true }),
  },
  'silence is consent': stage('tool-executor', consenting),
  'a call goes on waiting when its task has ended': stage('tool-executor', forgettingWaits),
  'a call in doubt is made again': stage('tool-executor', repeatingDoubt),
  'nobody is told of what the log has lost': {
    abilities: ['offsets go back'],
    ...lanes({ listener: (listener) => ({ ...listener, onLoss: () => undefined }) }),
  },
  'what a stopped call has used is not told': callers((call) => async (request, context) => {
    try {
      return await call(request, context)
    } catch (error) {
      throw context.signal.aborted ? context.signal.reason : error
    }
  }),
  'a stopped call settles nothing': guards(({ settleIf: _, ...guard }) => ({
    ...guard,
    settle: async (guarded, outcome) => (isStopped(outcome) ? undefined : guard.settle(guarded, outcome)),
  })),
  'what a store refuses to write counts as written': {
    world: (world) => ({
      ...world,
      reached: (store) => ({
        ...store,
        compareAndSet: (...write) => store.compareAndSet(...write).catch(() => ({ swapped: true })),
      }),
    }),
  },
  'the journal keeps an outcome for a second': {
    world: (world) => ({
      ...world,
      reached: (store) => ({
        ...store,
        compareAndSet: (key, expected, next) => store.compareAndSet(key, expected, next, 1_000),
      }),
    }),
  },
  'each process has a journal of its own': {
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
  ...treeMutants,
}
