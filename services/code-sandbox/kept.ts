// Steps of earlier turns of a session, and what a step leaves for later ones.
//
// 1. Steps of earlier turns are one row, written with the task's first step. They stand before the task's own in the log,
//    so everything is as after a crash: an executor runs them again, lazily, and no tool is called.
// 2. If they do not come out as before, they are dropped and the task's first step runs without them, once.
import { MAX_VARIABLES_CHARS } from '../../runtime/config/sessions.ts'
import { charsOf, lastOf, sum, type KeptStep, type StepReport } from '../../runtime/python/kept-variables.ts'
import { isLost } from '../../runtime/errors/missing-row.ts'
import type { Decision } from '../../runtime/stage.ts'
import type { Finished } from './executors/port.ts'
import { callRows, type ActiveRow, type SandboxRows, type SessionRow, type View } from './rows.ts'

/** The session of a task that begins with these steps. */
export function sessionAfter(prior: readonly KeptStep[]): SessionRow {
  return {
    nextN: (lastOf(prior) ?? -1) + 1,
    chars: sum(prior.map(charsOf)),
    computeMs: sum(prior.map(({ computeMs }) => computeMs)),
  }
}

/** True: the row with the steps of earlier turns can't be read any more. */
export const isPriorLost = (rows: View): boolean => isLost(rows, 'prior')

/** The last finished step before this one; null if there is none. */
function lastBefore(rows: View, before: number): number | null {
  for (let n = before - 1; n >= 0; n--) if (rows[`log:${n}`]?.outputHash) return n
  return isPriorLost(rows) ? null : lastOf(rows.prior ?? [])
}

/** What the running step leaves. `finished`: null if it left nothing. */
export function reportOf(
  rows: View,
  { n, keepLog }: ActiveRow,
  finished: Finished | null,
): StepReport | null {
  if (!keepLog) return null
  try {
    const after = finished?.lost === 'session' ? null : lastBefore(rows, n)
    const step = finished?.lost === 'nothing' ? keptStep(rows, n, finished) : null
    if (step !== null && charsOf(step) > MAX_VARIABLES_CHARS) return { after, step: null, tooLarge: true }
    return { after, step }
  } catch {
    // A row of the log is lost, and the variables with it.
    return null
  }
}

function keptStep(rows: View, n: number, { outputHash, computeMs }: Finished): KeptStep | null {
  const row = rows[`log:${n}`]
  if (!row) return null
  const { code, nowMs, seed } = row.step
  const calls = callRows(rows, n).flatMap(({ tool: name, argsHash, result }) => {
    if (!result) return []
    const { ok, value, error, nowMs: atMs } = result
    return [{ name, argsHash, ok, value, error, nowMs: atMs }]
  })
  return { n, code, nowMs, seed, calls, outputHash, computeMs }
}

/** The first step again without those of earlier turns, if they did not come out as before; else null. */
export function withoutPrior(
  rows: View,
  active: ActiveRow,
  { lost, error }: Finished,
  { timer, atMs }: { readonly timer: string; readonly atMs: number },
): Decision<SandboxRows> | null {
  const { n } = active
  const row = rows[`log:${n}`]
  const isFirst = rows.prior !== undefined && row !== undefined && active.calls === 0
  if (!isFirst || lost !== 'session' || error?.code !== 'NONDETERMINISM') return null
  if (lastBefore({ ...rows, prior: [] }, n) !== null) return null
  const why = /\((?<why>.+)\)/s.exec(error.message)?.groups?.['why'] ?? error.message
  const notice = `[The Python variables of earlier messages are gone, because they could not be rebuilt exactly (${why}). This step ran without them.]\n`
  return {
    rows: {
      prior: null,
      session: { nextN: n + 1, chars: row.step.code.length, computeMs: 0 },
      active: { ...active, notice },
    },
    timers: { [timer]: atMs },
  }
}
