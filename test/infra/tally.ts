// A reporter of node:test that writes one line per finished test and per finished file, so that the runner can count
// even when it had to kill the tier.
import { readFileSync } from 'node:fs'

interface ReportedEvent {
  readonly type: string
  readonly data: {
    readonly file?: string
    readonly skip?: string | boolean
    readonly todo?: string | boolean
    readonly details?: { readonly type?: string }
  }
}

export interface Tally {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  /** Test files that ran to their end. */
  readonly files: readonly string[]
}

export default async function* tally(events: AsyncIterable<ReportedEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    const verdict = type === 'test:pass' || type === 'test:fail' ? judge(type, data) : null
    if (verdict !== null) yield `${verdict}\n`
    if (type === 'test:summary' && data.file !== undefined) yield `file ${data.file}\n`
  }
}

/** As node:test's own totals: suites are not tests, and a skipped or todo test neither passed nor failed. */
function judge(type: string, data: ReportedEvent['data']): string | null {
  if (data.details?.type === 'suite') return type === 'test:fail' ? 'failed' : null
  if (isSet(data.skip) || isSet(data.todo)) return 'skipped'
  return type === 'test:pass' ? 'passed' : 'failed'
}

const isSet = (mark: string | boolean | undefined): boolean => mark !== undefined && mark !== false

export function readTally(path: string): Tally {
  const written = readFileSync(path, 'utf8').split('\n')
  const count = (verdict: string): number => written.filter((line) => line === verdict).length
  const files = written.filter((line) => line.startsWith('file ')).map((line) => line.slice(5))
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped'), files }
}
