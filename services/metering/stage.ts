// Writes the usage ledger, the task ledger, the list of open tasks, feedback on tasks, the calls that wait for people,
// and sessions.
//
// 1. Every write is idempotent: usage by event id, tasks and feedback by task id. So its calls need no
//    journal, the host repeats them while the database is unavailable, and an event that is redelivered after
//    a crash changes nothing (docs/adr/0014).
// 2. Feedback may overtake its task, because they use different topics: it has its own table.
// 3. A task is open from its submission to its result, in whatever order the two arrive: a submission whose
//    result is in the ledger opens nothing.
import type { Call, Decision, Stage, StageEvent } from '../../runtime/stage.ts'
import { headers } from '../../schemas/topics.ts'
import {
  heldRow,
  releasedRow,
  sessionWrite,
  submittedRow,
  taskRow,
  usageRow,
  type LedgerWrite,
} from './call.ts'

const WRITE_TIMEOUT_MS = 30_000
const BUCKET_MS = 1_000
/** The one key of tallies (services/alerting/events.ts). */
const FLEET = 'fleet'

export function createMeteringStage(): Stage {
  return {
    name: 'metering',
    version: 1,
    // Nothing waits for the ledger, so many events share its writes.
    lingerMs: 200,
    consumes: [
      { topic: 'usage.recorded' },
      { topic: 'tasks.submitted', payloads: 'unread' },
      // What a task cost is recorded even if its output is lost.
      { topic: 'tasks.completed', payloads: 'optional' },
      { topic: 'tasks.control', events: ['FeedbackGiven', 'QualityScored'] },
      { topic: 'tools.completed', accepts: (record) => record[headers.schema] !== 'ToolCompleted' },
      { topic: 'sessions.history' },
    ],
    keyOf: (event) => (event.type === 'SessionProgressed' ? event.data.sessionId : event.key),
    decide(event) {
      switch (event.type) {
        case 'CallHeld':
          return write({ held: heldRow(event.data) })
        case 'CallReleased':
          return write({ released: releasedRow(event.data) })
        case 'UsageRecorded':
          return write({ usage: usageRow(event.id, event.data) })
        case 'TaskSubmitted':
          return write({ submitted: submittedRow(event.data, event) })
        case 'TaskCompleted':
          return write({ task: taskRow(event.data) })
        case 'SessionProgressed':
          return write({ session: sessionWrite(event.data) })
        case 'FeedbackGiven': {
          const { taskId, satisfaction, comment, userId } = event.data
          const given = { satisfaction, comment, given_by: userId, given_at_ms: event.atMs }
          return write({ feedback: { task_id: taskId, ...given } })
        }
        case 'QualityScored': {
          const { taskId, quality, scorer } = event.data
          return write({ feedback: { task_id: taskId, quality, scorer, scored_at_ms: event.atMs } })
        }
        default:
          return {}
      }
    },
    conclude(event, _rows, call, outcome) {
      if (!outcome.ok) throw new Error(`writing the ${call.target} ledger: ${outcome.failure.message}`)
      return tallied(event)
    },
  }
}

/** Alert rules watch the mean of scores: all of them have one home, as the tallies of tasks have. */
function tallied(event: StageEvent): Decision {
  const quality = event.type === 'QualityScored' ? shareOrNull(event.data.quality) : null
  const satisfaction = event.type === 'FeedbackGiven' ? shareOrNull(event.data.satisfaction) : null
  if (quality === null && satisfaction === null) return {}
  const none = { succeeded: 0, failed: 0, tokens: 0, executionTimesMs: [], errors: [] }
  const bucketMs = Math.floor(event.atMs / BUCKET_MS) * BUCKET_MS
  const data = { bucketMs, lane: event.lane, ...none, quality, satisfaction }
  return { emit: [{ topic: 'outcomes.tallied', type: 'OutcomesTallied', key: FLEET, data }] }
}

function write(request: LedgerWrite): { call: Call } {
  const target = Object.keys(request)[0] ?? ''
  const options = { timeoutMs: WRITE_TIMEOUT_MS, idempotent: true, journalled: false }
  return { call: { kind: 'ledger', target, request, ...options } }
}

/** Anyone may write one: a number beyond 0 to 1 would move the mean of all. */
const shareOrNull = (value: number): number | null => (value >= 0 && value <= 1 ? value : null)
