// The thread's side of pool.ts: a thread's script calls it to serve its jobs.
import { parentPort, workerData } from 'node:worker_threads'
import { type ErrorCode, FlotillaError, messageOf } from '../errors.ts'

/** The thread's `workerData`. */
export interface ThreadData {
  readonly resultChars: number
}

export interface JobMessage {
  readonly job: string
  readonly input: unknown
}

/** `begunUs`: processor time of the thread when the job began, microseconds. */
export type ThreadMessage =
  | { readonly t: 'ready' }
  | { readonly t: 'begun'; readonly begunUs: number }
  | { readonly t: 'done'; readonly json: string }
  | { readonly t: 'failed'; readonly code: ErrorCode; readonly message: string }

/** Jobs by name. Each answers with JSON; it throws FlotillaErrors, which reach the caller as they are. */
export type Jobs = Readonly<Record<string, (input: never) => unknown>>

export function serveJobs(jobs: Jobs): void {
  const { resultChars } = workerData as ThreadData
  const post = (message: ThreadMessage) => parentPort?.postMessage(message)
  parentPort?.on('message', async ({ job, input }: JobMessage) => {
    const { user, system } = process.threadCpuUsage()
    post({ t: 'begun', begunUs: user + system })
    post(await answer(jobs, { job, input }, resultChars))
  })
  post({ t: 'ready' })
}

async function answer(jobs: Jobs, { job, input }: JobMessage, resultChars: number): Promise<ThreadMessage> {
  try {
    const run = jobs[job]
    if (!run) throw new FlotillaError('INTERNAL', `there is no job ${job}`)
    const json = JSON.stringify((await run(input as never)) ?? null)
    if (json.length > resultChars)
      throw new FlotillaError('WORKER_LIMIT', `its result has more than ${resultChars} characters`)
    return { t: 'done', json }
  } catch (error) {
    return failureMessage(error)
  }
}

/** A stack that overflows, or an array that outgrows V8's limits, is a limit too. */
function failureMessage(error: unknown): ThreadMessage {
  if (error instanceof FlotillaError) return { t: 'failed', code: error.code, message: error.message }
  if (error instanceof RangeError)
    return {
      t: 'failed',
      code: 'WORKER_LIMIT',
      message: `it is nested too deep or too large (${error.message})`,
    }
  return { t: 'failed', code: 'INTERNAL', message: messageOf(error) }
}
