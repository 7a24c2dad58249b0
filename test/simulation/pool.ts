// Runs many seeds on several threads: seeds are independent.
import { Worker } from 'node:worker_threads'
import type { SimulationOptions, SimulationReport } from './simulate.ts'

/** Message to a thread. */
export interface Batch {
  readonly seeds: readonly number[]
  readonly options: SeedOptions
}

/** Options of every seed. */
export type SeedOptions = Pick<SimulationOptions, 'abilities'>

export interface PoolOptions {
  readonly from: number
  readonly count: number
  readonly threads: number
  readonly options?: SeedOptions
  /** In no particular order. */
  readonly onReport: (report: SimulationReport) => void
}

/** Seeds that a thread is sent at once: few, so that threads end together. */
const BATCH = 5

export async function runSeeds({ from, count, threads, options = {}, onReport }: PoolOptions): Promise<void> {
  let next = from
  const take = (): number[] => {
    const seeds = Array.from({ length: Math.min(BATCH, from + count - next) }, (_, index) => next + index)
    next += seeds.length
    return seeds
  }
  await Promise.all(
    Array.from({ length: Math.min(threads, count) }, () => runThread(take, options, onReport)),
  )
}

async function runThread(
  take: () => number[],
  options: SeedOptions,
  onReport: (report: SimulationReport) => void,
): Promise<void> {
  const worker = new Worker(new URL('./worker.ts', import.meta.url))
  try {
    await new Promise<void>((resolve, reject) => {
      let left = 0
      const more = (): void => {
        const seeds = take()
        left = seeds.length
        if (left > 0) worker.postMessage({ seeds, options } satisfies Batch)
        else resolve()
      }
      worker.on('message', (report: SimulationReport) => {
        onReport(report)
        if (--left === 0) more()
      })
      worker.once('error', reject)
      worker.once('exit', (code) =>
        reject(new Error(`a thread ended in the middle of its seeds, with ${code}`)),
      )
      more()
    })
  } finally {
    await worker.terminate()
  }
}
