// Gives memory back when a process has come to rest: V8 collects by how much is allocated, so what a start or a busy hour
// has left stays until somebody allocates as much again.
import { performance } from 'node:perf_hooks'
import { memoryUsage } from 'node:process'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const SAMPLE_MS = 10_000
/** Share of the time in which the event loop works; a service without a task has 0.003. */
const QUIET_SHARE = 0.05
const QUIET_SAMPLES = 2
/** A collection stops the process for a tenth of a second: not for less than this share of the heap. */
const WORTH = 1.25

export interface HeapParts {
  /** Bytes that the heap takes of the machine. */
  readonly heapBytes: () => number
  readonly collect: () => void
}

export class RestingHeap {
  readonly #parts: HeapParts
  #quiet = 0
  #afterBytes = 0

  constructor(parts: HeapParts) {
    this.#parts = parts
  }

  /** Collects once in each time of rest, if that gives something back. */
  sample(workingShare: number): void {
    this.#quiet = workingShare < QUIET_SHARE ? this.#quiet + 1 : 0
    if (this.#quiet !== QUIET_SAMPLES || this.#parts.heapBytes() < this.#afterBytes * WORTH) return
    this.#parts.collect()
    this.#afterBytes = this.#parts.heapBytes()
  }
}

/** Watches this process until it ends, and does not keep it alive. */
export function collectAtRest(): void {
  const heap = new RestingHeap({ heapBytes: () => memoryUsage().heapTotal, collect })
  let before = performance.eventLoopUtilization()
  setInterval(() => {
    const now = performance.eventLoopUtilization()
    heap.sample(performance.eventLoopUtilization(now, before).utilization)
    before = now
  }, SAMPLE_MS).unref()
}

type Collect = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void

/** The function that --expose-gc gives, without giving it to anybody else. */
function collect(): void {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as Collect
  setFlagsFromString('--no-expose-gc')
  // The other flavours keep the pages that they have freed.
  gc({ type: 'major', flavor: 'last-resort' })
}
