// Texts of notifications for people.
import type { Notice } from '../events.ts'

const mark = { raised: 'FIRING', resolved: 'RESOLVED', test: 'TEST', approval: 'WAITING' } as const

const kinds = ['raised', 'resolved', 'test', 'approval'] as const

export const headline = ({ kind, severity, message }: Notice): string =>
  kind === 'resolved' || kind === 'approval'
    ? `${mark[kind]} ${message}`
    : `${mark[kind]} (${severity}) ${message}`

/** One line for all of them. */
export function subject(notices: readonly Notice[]): string {
  const [first, ...others] = notices
  if (!first) return 'no alert'
  if (others.length === 0) return headline(first)
  const rules = [...new Set(notices.map(({ rule }) => rule))].join(', ')
  const counts = kinds.flatMap((kind) => {
    const { length } = notices.filter((notice) => notice.kind === kind)
    return length > 0 ? [`${length} ${mark[kind].toLowerCase()}`] : []
  })
  return `${counts.join(', ')}: ${rules}`
}

export function details({ alertId, runbook, atMs }: Notice): string {
  const read = runbook === null ? '' : ` · what to do: ${runbook}`
  return `${new Date(atMs).toISOString()} · ${alertId}${read}`
}
