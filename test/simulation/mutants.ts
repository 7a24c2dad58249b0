// Fleets that break one promise each, by injection at a port: the simulator must catch every one. `seeds`:
// how many seeds that takes at most, counted from 1.
import { FlotillaError } from '../../runtime/errors.ts'
import { CommitFailed, CommitUncertain, LaneFenced } from '../../runtime/log/port.ts'
import { HOST_PREFIX } from '../../runtime/host/lane/state.ts'
import type { LaneIndex, StageEvent } from '../../runtime/stage.ts'
import type { Guard } from '../../runtime/host/calls/guard.ts'
import { consenting, repeatingDoubt } from './people-mutations.ts'
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
import type { Mutation } from './simulate.ts'
import { treeMutants } from './tree-mutants.ts'

export interface Mutant extends Mutation {
  readonly seeds: number
}

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

export const mutants: Readonly<Record<string, Mutant>> = {
  ...sessionMutants,
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
    // A fence or a later commit repairs most of it.
    seeds: 60,
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
    // Two of the first sixty meet it: the next owner repairs most of the losses.
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
      decide: (event, rows, lane) =>
        router.decide(event, event.type === 'TaskSubmitted' ? {} : rows, withoutAnswered(event, lane)),
    })),
  },
  // One seed of thirty meets it: the task must end while its call is still to be made.
  'interrupts are lost': { seeds: 150, ...everyStage(({ interrupts: _, ...others }) => others) },
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
  'what can’t be read is thrown away': {
    seeds: 10,
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
    seeds: 10,
    abilities: ['floods'],
    world: (world) => ({ ...world, hostOptions: { ...world.hostOptions, maxPendingPerLane: 1 } }),
  },
  'positions have no bound': {
    seeds: 10,
    abilities: ['metadata floods'],
    world: (world) => ({ ...world, hostOptions: { ...world.hostOptions, maxMetadataBytes: 1_000_000 } }),
  },
  'a payload that is lost is waited for': {
    seeds: 20,
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
  'readers join the groups of stages': { seeds: 10, abilities: ['stage-named readers'], world: withReaders },
  'ids are forgotten after a second': {
    seeds: 20,
    abilities: ['foreign times'],
    ...stage('router', forgetful),
  },
  'deaths are not written down': {
    seeds: 10,
    abilities: ['deadly events'],
    ...lanes({
      commit: (commit, lane) =>
        lane.commit({ ...commit, rows: commit.rows.filter(({ key }) => !key.startsWith(HOST_PREFIX)) }),
    }),
  },
  'a lane that a member can’t read stays with it': {
    seeds: 20,
    abilities: ['mixed versions'],
    ...lanes({ isDeaf: true }),
  },
  'silence is consent': {
    seeds: 10,
    ...stage('tool-executor', consenting),
  },
  'a call in doubt is made again': {
    seeds: 30,
    ...stage('tool-executor', repeatingDoubt),
  },
  'nobody is told of what the log has lost': {
    seeds: 10,
    abilities: ['offsets go back'],
    ...lanes({ listener: (listener) => ({ ...listener, onLoss: () => undefined }) }),
  },
  'what a stopped call has used is not told': {
    seeds: 40,
    ...callers((call) => async (request, context) => {
      try {
        return await call(request, context)
      } catch (error) {
        throw context.signal.aborted ? context.signal.reason : error
      }
    }),
  },
  'a stopped call settles nothing': {
    seeds: 20,
    ...guards((guard) => ({
      ...guard,
      settle: async (guarded, outcome) => (isStopped(outcome) ? undefined : guard.settle(guarded, outcome)),
    })),
  },
  'what a store refuses to write counts as written': {
    seeds: 20,
    world: (world) => ({
      ...world,
      reached: (store) => ({
        ...store,
        compareAndSet: (...write) => store.compareAndSet(...write).catch(() => ({ swapped: true })),
      }),
    }),
  },
  'the journal keeps an outcome for a second': {
    seeds: 20,
    world: (world) => ({
      ...world,
      reached: (store) => ({
        ...store,
        compareAndSet: (key, expected, next) => store.compareAndSet(key, expected, next, 1_000),
      }),
    }),
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
  ...treeMutants,
}
