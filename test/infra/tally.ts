// A reporter of node:test that writes one line per finished test and per finished file, so that the runner can count
// even when it had to kill the tier.
import { readFileSync } from 'node:fs'
import { isLate } from '../conformance/waiting.ts'

interface ReportedEvent {
  readonly type: string
  readonly data: {
    readonly name?: string
    readonly file?: string
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly details?: { readonly type?: string; readonly error?: unknown }
    readonly counts?: { readonly tests?: number; readonly skipped?: number; readonly todo?: number }
  }
}

/**
 * Why a test failed: `late` when what it waited for did not come in time, which a busy machine may cause; `parts` when one of
 * its subtests failed; else `wrong`.
 */
type Reason = 'late' | 'parts' | 'wrong'

export interface FileTally {
  passed: number
  skipped: number
  readonly failed: { readonly name: string; readonly reason: Reason }[]
  /** It has tests that ran, and came to its end: one that exits before has no summary. */
  finished: boolean
}

export default async function* tally(events: AsyncIterable<ReportedEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    const verdict = type === 'test:pass' || type === 'test:fail' ? judge(type, data) : null
    const { file = '', name = '' } = data
    if (verdict === 'failed') yield line({ verdict, file, name, reason: reasonOf(data.details?.error) })
    else if (verdict !== null) yield line({ verdict, file })
    // node:test itself counts a file without tests as a test that passed, and one of skipped tests as a good one.
    const { tests = 0, skipped = 0, todo = 0 } = data.counts ?? {}
    const isWhole = type === 'test:summary' && file !== '' && tests > skipped + todo
    if (isWhole) yield line({ verdict: 'finished', file })
  }
}

interface Line {
  readonly verdict: 'passed' | 'failed' | 'skipped' | 'finished'
  readonly file: string
  readonly name?: string
  readonly reason?: Reason
}

const line = (written: Line): string => `${JSON.stringify(written)}\n`

/** As node:test's own totals: suites are not tests, and a skipped or todo test neither passed nor failed. */
function judge(type: string, data: ReportedEvent['data']): Line['verdict'] | null {
  if (data.details?.type === 'suite') return type === 'test:fail' ? 'failed' : null
  if (isSet(data.skip) || isSet(data.todo)) return 'skipped'
  return type === 'test:pass' ? 'passed' : 'failed'
}

const isSet = (mark: string | boolean | undefined): boolean => mark !== undefined && mark !== false

function reasonOf(error: unknown): Reason {
  const { failureType, cause } = (error ?? {}) as { failureType?: string; cause?: unknown }
  if (failureType === 'subtestsFailed') return 'parts'
  if (failureType === 'testTimeoutFailure') return 'late'
  return isLate(cause) ? 'late' : 'wrong'
}

/** The counts of each file, by its path. */
export function readTally(path: string): Map<string, FileTally> {
  const files = new Map<string, FileTally>()
  for (const text of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const { verdict, file, name = '', reason = 'wrong' } = JSON.parse(text) as Line
    const counts = files.get(file) ?? { passed: 0, skipped: 0, failed: [], finished: false }
    files.set(file, counts)
    if (verdict === 'finished') counts.finished = true
    else if (verdict === 'failed') counts.failed.push({ name, reason })
    else counts[verdict]++
  }
  return files
}
