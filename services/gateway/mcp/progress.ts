import type { StreamedEvent } from '../../../client/types.ts'
import { shortened } from '../../../runtime/text/bounded-text.ts'

const MAX_CHARS = 200

/** An event of a task as a line for people, without what tools answered; null for those that say nothing new. */
export function progressOf(event: StreamedEvent): string | null {
  const line = lineOf(event)
  return line === null ? null : shortened(line.replaceAll(/\s+/g, ' '), MAX_CHARS)
}

function lineOf(event: StreamedEvent): string | null {
  switch (event.type) {
    case 'task.queued':
      return 'queued'
    case 'task.admitted':
      return `begun by ${event.model ?? 'its model'}`
    case 'code':
      return `step ${event.step}: runs Python`
    case 'tool.requested':
      return `step ${event.step}: calls ${event.tool}`
    case 'tool.completed':
      return `step ${event.step}: ${event.tool} ${event.status}`
    case 'approval.requested':
      return `step ${event.step}: ${event.tool} waits for a person`
    case 'approval.decided':
      return `step ${event.step}: ${event.tool} ${event.outcome}`
    case 'step.completed':
      return `step ${event.step}: done`
    case 'retry':
      return `tries again: ${event.message}`
    case 'waiting':
      return `waits for ${event.for}: ${event.message}`
    case 'model.changed':
      return `goes on with ${event.to}`
    default:
      return null
  }
}
