// Writes the usage ledger and the task ledger.
//
// 1. Every write is idempotent: usage by event id, tasks by task id. So its calls need no journal, and the host repeats
//    them while the database is away.
// 2. Feedback may overtake its task, because they come by different topics. It is then kept in a row until the task comes.
import type { Call, Decision, Stage } from '../../runtime/stage.ts'
import { taskRow, usageRow, type LedgerWrite, type LedgerWritten } from './rows.ts'

export type MeteringRows = {
  /** Feedback on a task that has not ended yet. */
  feedback: { satisfaction: number }
}

/** Feedback on a task that never comes is dropped then: as long as a task id is remembered. */
const KEEP_FEEDBACK_MS = 7 * 86_400_000
const WRITE_TIMEOUT_MS = 30_000

export function createMeteringStage(): Stage<MeteringRows> {
  return {
    name: 'metering',
    version: 1,
    // Nobody waits for the ledger: many events share its writes.
    lingerMs: 200,
    consumes: [{ topic: 'usage.recorded' }, { topic: 'tasks.completed' }, { topic: 'tasks.control' }],
    decide(event, rows) {
      switch (event.type) {
        case 'UsageRecorded':
          return write({ usage: usageRow(event.id, event.data) })
        case 'TaskCompleted':
          return write({ task: taskRow(event.data, rows.feedback?.satisfaction ?? null) })
        case 'FeedbackGiven':
          return write({ feedback: { taskId: event.data.taskId, satisfaction: event.data.satisfaction } })
        case 'TimerFired':
          return { rows: { feedback: null } }
        default:
          return {}
      }
    },
    conclude(event, rows, call, outcome) {
      if (!outcome.ok) throw new Error(`writing the ${call.target} ledger: ${outcome.failure.message}`)
      const { rows: written } = outcome.value as LedgerWritten
      if (event.type === 'TaskCompleted') return rows.feedback ? forget : {}
      if (event.type !== 'FeedbackGiven' || written > 0) return {}
      const { satisfaction } = event.data
      return { rows: { feedback: { satisfaction } }, timers: { forget: event.atMs + KEEP_FEEDBACK_MS } }
    },
  }
}

const forget: Decision<MeteringRows> = { rows: { feedback: null }, timers: { forget: null } }

function write(request: LedgerWrite): { call: Call } {
  const target = 'usage' in request ? 'usage' : 'task'
  const options = { timeoutMs: WRITE_TIMEOUT_MS, idempotent: true, journalled: false }
  return { call: { kind: 'ledger', target, request, ...options } }
}
