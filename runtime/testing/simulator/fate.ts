// The random choices of a simulated run.
//
// 1. A draw depends on its subject and on how often that was drawn, never on the order of other draws: a
//    fault or a task that is left out changes no other draw, so a failure can be shrunk.
// 2. Every fault that strikes is noted under an id. A run that is given ids has these faults and no others.

/** Crashes are named after the two operations between which they strike. */
export const faultKinds = [
  'crash-before-call',
  'crash-in-call',
  'crash-before-journal',
  'crash-before-commit',
  'crash-in-commit',
  'crash-after-commit',
  'crash-in-opening',
  'crash-in-store',
  'crash-anywhere',
  'crash-by-event',
  'pause',
  'pause-in-store',
  'cut-off',
  'rebalance',
  'drain',
  'join',
  'store-fails',
  'store-reply-lost',
  'store-lags',
  'store-away',
  'store-refuses',
  'store-forgets',
  'opening-fails',
  'commit-fails',
  'commit-uncertain',
  'redelivery',
  'late-delivery',
  'breaker-open',
  'model-fails',
  'model-hangs',
  'model-answers-nothing',
  'model-answers-garbage',
  'tool-fails',
  'tool-hangs',
  'sandbox-fails',
  'sandbox-forgets',
  'ledger-fails',
  'limits-fail',
  'notifier-fails',
] as const

export type FaultKind = (typeof faultKinds)[number]

/** Probability of each kind, for one operation that it can strike. */
export type FaultRates = Readonly<Record<FaultKind, number>>

export interface Fault {
  readonly id: string
  readonly kind: FaultKind
  readonly atMs: number
}

/** How often something was drawn, and the hash of its name. */
interface Asked {
  readonly hash: number
  count: number
}

export const isCrash = (kind: FaultKind): boolean => kind.startsWith('crash-')

/** Whether the process may lose its lanes by it long after it struck, and say so later still. */
export const outlasts = (kind: FaultKind): boolean => kind.startsWith('pause') || kind === 'cut-off'

/** Whether a lane ends by it, or by what strikes next, before its owner can say that it lives on. */
export const endsLanes = (kind: FaultKind): boolean =>
  isCrash(kind) || outlasts(kind) || kind.startsWith('commit-')

export class Fate {
  readonly faults: Fault[] = []
  readonly #seed: number
  readonly #only: ReadonlySet<string> | null
  readonly #asked = new Map<string, Asked>()

  constructor(seed: number, only: ReadonlySet<string> | null = null) {
    this.#seed = Math.imul(seed, 0x9e3779b1) >>> 0
    this.#only = only
  }

  /** 0 inclusive to 1 exclusive. */
  fraction(what: string): number {
    const asked = this.#ask(what)
    return mixed(asked.hash, asked.count++) / 4_294_967_296
  }

  chance(what: string, probability: number): boolean {
    return this.fraction(what) < probability
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number, what: string): number {
    return least + Math.floor(this.fraction(what) * (most - least + 1))
  }

  pick<T>(items: readonly T[], what: string): T {
    return items[Math.floor(this.fraction(what) * items.length)] as T
  }

  /** Whether this fault strikes here and now. `place` says where, for readers of the trace. */
  strikes(kind: FaultKind, place: string, rate: number, atMs: number): boolean {
    if (rate === 0) return false
    const what = `${kind} ${place}`
    const asked = this.#ask(what)
    const count = asked.count++
    if (this.#only === null && mixed(asked.hash, count) / 4_294_967_296 >= rate) return false
    const id = `${what} #${count}`
    if (this.#only !== null && !this.#only.has(id)) return false
    this.faults.push({ id, kind, atMs })
    return true
  }

  #ask(what: string): Asked {
    const known = this.#asked.get(what)
    if (known) return known
    const asked = { hash: hashOf(this.#seed, what), count: 0 }
    this.#asked.set(what, asked)
    return asked
  }
}

/** FNV-1a over the text. */
function hashOf(seed: number, text: string): number {
  let hash = 0x811c9dc5 ^ seed
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** One more step of FNV-1a over the count, then the last mixing steps of MurmurHash3: 32 bits. */
function mixed(start: number, count: number): number {
  let hash = Math.imul(start ^ count, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
