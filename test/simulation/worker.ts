// A thread that runs the seeds it is sent, one after the other.
import { parentPort } from 'node:worker_threads'
import type { Batch } from './pool.ts'
import { simulate } from './simulate.ts'

// Errors are data here, by the thousand; nobody reads their stacks until a seed is run again.
Error.stackTraceLimit = 0

parentPort?.on('message', (batch: Batch) => void run(batch))

async function run({ seeds, options }: Batch): Promise<void> {
  for (const seed of seeds) parentPort?.postMessage(await simulate(seed, options))
}
