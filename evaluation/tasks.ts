// Runs the cases of a run as ordinary tasks of the fleet.
//
// 1. The id of a task is a hash of run, case, model, epoch and attempt: submitted again it runs once, so a run that
//    was interrupted finds its answers, paid once.
// 2. An attempt that the fleet rejected, that was cancelled, or that the run's own cost limit cut off, is no answer. The
//    next attempt has an id of its own. So has one whose time ran out after an interrupt: maybe no fleet ran.
// 3. A share of the run's cost limit is the task's `maxCost`. Where its agent allows none so high, the agent's own limit,
//    which is lower, takes its place.
import { hash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { EvaluationCase } from '../api/schemas/evaluations.ts'
import type { Client, TaskResult } from '../client/types.ts'
import { errorTable } from '../runtime/errors.ts'

/** Below every task that names no priority. */
export const EVALUATION_PRIORITY = -5

const MAX_ATTEMPTS = 5
const FIRST_RETRY_MS = 1_000
/** A budget that is used up comes back tomorrow: the run does not wait for it, it is resumed. */
const MAX_WAIT_MS = 60_000
/** The fleet knows an id again for a week; a result is kept longer, and is looked up before its task is paid again. */
const OLD_MS = 86_400_000
/** Attempts of earlier sessions that are looked through. */
const MAX_EARLIER = 100
/** Clocks of the command and of the fleet agree within it. */
const CLOCKS_MS = 5_000

export interface Asking {
  readonly client: Pick<Client, 'find' | 'result'>
  readonly signal: AbortSignal
  /** Results from before it are of an earlier session of the run. */
  readonly sinceMs: number
  readonly isOld: boolean
}

export const askingOf = (
  { startedAtMs }: { readonly startedAtMs: number },
  client: Client,
  signal: AbortSignal,
): Asking => ({ client, signal, sinceMs: Date.now(), isOld: Date.now() - startedAtMs > OLD_MS })

/** One answer that is wanted. */
export interface Asked {
  /** Submits the task under this id; of an id that the fleet knows it does nothing. */
  readonly submit: (taskId: string) => Promise<unknown>
  readonly idOf: (attempt: number) => string
  /** Id of an attempt that is no answer: those behind it count. */
  readonly behind?: string | undefined
  /** Whether a result is one that the run's cost limit cut off. Default: none is. */
  readonly isCutOff?: (result: TaskResult) => boolean
}

export interface AskedWithin extends Omit<Asked, 'submit' | 'isCutOff'> {
  /** `maxCost`: US dollars that the task may cost; null: it names no limit. */
  readonly submit: (taskId: string, maxCost: number | null) => Promise<unknown>
  /** The limit that the task had anyway. US dollars; null or absent: none. */
  readonly ownMaxCost?: number | null
}

export interface Answered {
  readonly result: TaskResult
  /** The run's cost limit ended it: it says nothing of the case. */
  readonly isCutOff: boolean
}

/** `parts`: what names the task within its run. */
export const taskIdOf = (run: string, parts: readonly (string | number)[], attempt: number): string =>
  `eval-${hash('sha256', JSON.stringify([run, ...parts, attempt])).slice(0, 32)}`

/** The result of the first attempt that counts. Rejects if `signal` aborts; the task then continues. */
export async function askFleet(asking: Asking, asked: Asked): Promise<TaskResult> {
  const { signal, sinceMs } = asking
  const { isCutOff = () => false } = asked
  const first = firstAttempt(asked)
  for (let attempt = first; ; attempt += 1) {
    signal.throwIfAborted()
    const result = await resultOf(asking, asked, asked.idOf(attempt))
    const isUnseen = isUnseenTimeOut(result, sinceMs)
    const isAnswer = !isNoAnswer(result) && !isCutOff(result) && !isUnseen
    if (attempt - first + 1 >= MAX_ATTEMPTS || isAnswer) return result
    if (result.completedAtMs >= sinceMs && !isUnseen) {
      if (!isRetryable(result)) return result
      const waitMs = result.error?.retryAfterMs ?? FIRST_RETRY_MS * 2 ** (attempt - first)
      if (waitMs > MAX_WAIT_MS) return result
      await sleep(waitMs, undefined, { signal })
    }
  }
}

/** As `askFleet`, with a share of the run's cost limit (invariant 3). `share`: US dollars; Infinity: there is no limit. */
export async function askWithin(
  asking: Asking,
  { submit, ownMaxCost = null, ...asked }: AskedWithin,
  share: number,
): Promise<Answered> {
  const isOwn = ownMaxCost !== null && ownMaxCost <= share
  const limit = isOwn ? ownMaxCost : share === Infinity ? null : share
  const isCutOff = ({ error }: TaskResult) => !isOwn && limit !== null && error?.code === 'COST_LIMIT'
  const result = await askFleet(asking, { ...asked, isCutOff, submit: (id) => submit(id, limit) })
  if (limit === null || !isTooHigh(result)) return { result, isCutOff: isCutOff(result) }
  const behind = result.taskId
  const again = await askFleet(asking, { ...asked, behind, submit: (id) => submit(id, null) })
  return { result: again, isCutOff: false }
}

const isTooHigh = ({ status, error }: TaskResult): boolean =>
  status === 'rejected' && error?.code === 'OVERRIDE_NOT_ALLOWED' && /\bmaxCost\b/.test(error.message)

/** The attempt of a stored case behind which the next one counts: the run's cost limit cut it off. */
export const cutOffAttempt = (
  row: Pick<EvaluationCase, 'taskId' | 'score' | 'errorCode'> | undefined,
): string | undefined => (row?.errorCode === 'COST_LIMIT' && row.score === null ? row.taskId : undefined)

function firstAttempt({ idOf, behind }: Asked): number {
  for (let attempt = 1; behind !== undefined && attempt <= MAX_EARLIER; attempt += 1)
    if (idOf(attempt) === behind) return attempt + 1
  return 1
}

async function resultOf(
  { client, signal, isOld }: Asking,
  { submit }: Asked,
  taskId: string,
): Promise<TaskResult> {
  const found = isOld ? await client.find(taskId) : null
  if (found !== null) return found
  await submit(taskId)
  return unlessAborted(client.result(taskId), signal)
}

/** An earlier session of the run submitted it, and was interrupted before it ended. */
const isUnseenTimeOut = ({ status, submittedAtMs }: TaskResult, sinceMs: number): boolean =>
  status === 'timed_out' && submittedAtMs < sinceMs - CLOCKS_MS

export const isNoAnswer = ({ status }: TaskResult): boolean => status === 'rejected' || status === 'cancelled'

function isRetryable({ status, error }: TaskResult): boolean {
  const { code = '' } = error ?? {}
  const row = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable] : null
  return status === 'rejected' && row?.retryable === true
}

async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // Nobody waits for it then.
  work.catch(() => {})
  let abort = (): void => {}
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort)
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
