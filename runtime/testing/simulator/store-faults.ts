// A process's access to the key-value store, which outlives it: slow, away for a while, or cut off half-way.
//
// 1. A crash strikes before or after an operation takes effect; so does a failure (a lost reply).
// 2. Where one process has a data file, an outcome and what is settled by it are one transaction: neither is there
//    without the other.
import { FlotillaError } from '../../errors.ts'
import type { Guard } from '../../host/calls/guard.ts'
import type { BlobStore, KeyValue } from '../../store/port.ts'
import type { FaultKind } from './fate.ts'

export interface StoreFaults {
  /** Whether this fault strikes now. A crash has then happened when it returns. */
  readonly strikes: (kind: FaultKind, place: string) => boolean
  readonly between: (least: number, most: number, what: string) => number
  readonly wait: (delayMs: number) => Promise<void>
  /** Whether this process can't reach the store now. */
  readonly isAway: () => boolean
  /** Why it refuses writes, if it does: a read-only replica, a full disk, no memory left. */
  readonly refusal: () => string | null
  readonly isDead: () => boolean
  /** Pauses the process before it gets the result of this operation. */
  readonly pause: (place: string) => void
}

const never = <T>(): Promise<T> => new Promise<T>(() => undefined)
const LAG_MS = 4_000

export function withStoreFaults(store: KeyValue, faults: StoreFaults, file?: Transaction): KeyValue {
  const operation = <T>(name: string, key: string, work: () => Promise<T>) =>
    perform(faults, name, crashesOf(name), key, work)
  return {
    ...store,
    get: (key) => operation('get', key, () => store.get(key)),
    set: (key, value, ttlMs) => operation('set', key, () => store.set(key, value, ttlMs)),
    delete: (keys) => operation('delete', keys.join(), () => store.delete(keys)),
    compareAndSet: (...write) => {
      const [key, expected, next] = write
      const step = stepOf(key, expected, next)
      const work = () => store.compareAndSet(...write)
      const run = (all: typeof work) => operation(step, key, all)
      return file && step === 'finish' ? file.begin(work, run) : run(work)
    },
  }
}

export function withBlobFaults(blobs: BlobStore, faults: StoreFaults): BlobStore {
  const crashes = { before: 'crash-in-store', after: 'crash-in-store' } as const
  return {
    ...blobs,
    put: (bytes) => perform(faults, 'put', crashes, 'blob', () => blobs.put(bytes)),
    get: (hash) => perform(faults, 'fetch', crashes, 'blob', () => blobs.get(hash)),
  }
}

/** Adds faults to a guard, which accesses the store of the limits. */
export function withGuardFaults(guard: Guard, faults: StoreFaults, file?: Transaction): Guard {
  const crashes = { before: 'crash-in-store', after: 'crash-in-store' } as const
  const { settleIf } = guard
  return {
    ...guard,
    ...(settleIf && {
      settleIf: (...settled: Parameters<typeof settleIf>) =>
        perform(faults, 'settle', crashes, settled[0].key, () => settleIf(...settled)),
    }),
    reserve: (guarded) => perform(faults, 'reserve', crashes, guarded.key, () => guard.reserve(guarded)),
    settle: (guarded, outcome) => {
      const work = () => guard.settle(guarded, outcome)
      return file?.join(work) ?? perform(faults, 'settle', crashes, guarded.key, work)
    },
  }
}

/** One of a data file: what is written in one turn of the event loop. */
export class Transaction {
  #open: { readonly joined: (() => Promise<void>)[]; readonly done: Promise<unknown> } | null = null

  /** `run` gets the whole of it, to perform with faults. */
  begin<T>(work: () => Promise<T>, run: (all: () => Promise<T>) => Promise<T>): Promise<T> {
    const joined: (() => Promise<void>)[] = []
    const all = async (): Promise<T> => {
      const result = await work()
      for (const other of joined) await other()
      return result
    }
    const done = run(all)
    const open = { joined, done }
    this.#open = open
    queueMicrotask(() => {
      if (this.#open === open) this.#open = null
    })
    return done
  }

  /** Null: there is none to join. */
  join(work: () => Promise<void>): Promise<void> | null {
    if (this.#open === null) return null
    this.#open.joined.push(work)
    return this.#open.done.then(() => undefined)
  }
}

/** Operations that a store still answers while it refuses writes. */
const readings: ReadonlySet<string> = new Set(['get', 'fetch'])

type Crashes = Readonly<{ before: FaultKind; after: FaultKind }>

/** The step of the call journal that a compare-and-set is. */
function stepOf(key: string, expected: string | null, next: string): string {
  if (!key.startsWith('journal:')) return 'swap'
  if (next.includes('"state":"done"')) return 'finish'
  return expected === null ? 'begin' : 'renew'
}

function crashesOf(operation: string): Crashes {
  if (operation === 'begin') return { before: 'crash-in-store', after: 'crash-before-call' }
  if (operation === 'finish') return { before: 'crash-before-journal', after: 'crash-before-commit' }
  return { before: 'crash-in-store', after: 'crash-in-store' }
}

async function perform<T>(
  faults: StoreFaults,
  name: string,
  crashes: Crashes,
  key: string,
  work: () => Promise<T>,
): Promise<T> {
  // The head of a key is enough to distinguish operations, and keeps the ids of faults readable.
  const place = `${name} ${key.slice(0, 20)}`
  await faults.wait(faults.between(0, 3, `store ${place}`))
  if (faults.strikes(crashes.before, `before ${place}`)) return never()
  if (faults.strikes('store-lags', place)) await faults.wait(faults.between(200, LAG_MS, `lag ${place}`))
  if (faults.isAway() || faults.strikes('store-fails', place)) throw away(name)
  const refusal = readings.has(name) ? null : faults.refusal()
  if (refusal !== null) throw new FlotillaError('STORE_UNAVAILABLE', refusal)
  const result = await work()
  if (faults.strikes('pause-in-store', place)) faults.pause(place)
  await faults.wait(faults.between(0, 2, `reply ${place}`))
  if (faults.strikes(crashes.after, `after ${place}`)) return never()
  if (faults.strikes('store-reply-lost', place)) throw away(name)
  return faults.isDead() ? never() : result
}

const away = (operation: string): FlotillaError =>
  new FlotillaError('STORE_UNAVAILABLE', `injected at ${operation}`)
