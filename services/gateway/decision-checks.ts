// Whether a call still waits for the decision that a client sends, so that one that is late or mistyped is an error and
// not silence.
//
// 1. A decision is refused only if it is certain that it can't count: the history of the task shows that the wait it is
//    about has ended, or all of that history has no such wait. The ledger, which follows the log, adds what it knows; what
//    it lacks proves nothing.
// 2. What can't be found out is taken, as before: a decision gets through while the database is away, and where the
//    history reaches further back than is read. So is a decision about a wait that is later than any that is seen here.
// 3. That a decision is taken does not say that it counts: somebody else's may be on the log already.
import { setTimeout as delay } from 'node:timers/promises'
import type { ApprovalInput } from '../../client/types.ts'
import { fieldsOf } from '../../operator/direct/tasks/progress.ts'
import type { TaskDetail } from '../../operator/index.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { ApprovalView } from '../../runtime/ledger/approvals.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'
import { shown } from '../../schemas/identity.ts'

export type Meant = Pick<ApprovalInput, 'taskId' | 'callId' | 'heldAtMs'>

/** What is known of the task and the call. */
export interface Known {
  readonly task: Pick<TaskDetail, 'events' | 'eventsWhole' | 'completedAtMs' | 'status'>
  /** The last wait of the call that the ledger has. */
  readonly recorded: Pick<ApprovalView, 'status' | 'heldAtMs'> | null
}

export interface DecisionCheckParts {
  readonly task: (taskId: string) => Promise<Known['task']>
  readonly recorded: (taskId: string, callId: string) => Promise<Known['recorded']>
}

/** A client may have seen a call before this gateway does: another broker leads, or the ledger was faster. */
const LOOK_AGAIN_MS = 500

export class DecisionChecks {
  readonly #parts: DecisionCheckParts

  constructor(parts: DecisionCheckParts) {
    this.#parts = parts
  }

  /** Rejects with CALL_UNKNOWN or CALL_NOT_WAITING if the decision can't count. */
  async assert(meant: Meant): Promise<void> {
    const refused = await this.#refusal(meant)
    if (refused?.code !== 'CALL_UNKNOWN') return throwIfAny(refused)
    await delay(LOOK_AGAIN_MS)
    throwIfAny(await this.#refusal(meant))
  }

  async #refusal(meant: Meant): Promise<FlotillaError | null> {
    const { taskId, callId } = meant
    try {
      const [task, recorded] = await Promise.all([
        this.#parts.task(taskId),
        this.#parts.recorded(taskId, callId),
      ])
      return refusal(meant, { task, recorded })
    } catch {
      return null
    }
  }
}

function throwIfAny(error: FlotillaError | null): void {
  if (error !== null) throw error
}

/** A wait of the call; `ended`: how, or null while it waits. */
interface Wait {
  readonly heldAtMs: number
  readonly ended: string | null
}

/** Null: it may count. */
export function refusal({ taskId, callId, heldAtMs }: Meant, known: Known): FlotillaError | null {
  const { task } = known
  const waits = withRecorded(waitsIn(task.events, callId), known)
  const last = waits.at(-1)
  const call = `call ${shown(callId)} of task ${taskId}`
  if (last === undefined) {
    if (!task.eventsWhole && task.completedAtMs === null) return null
    const since = task.completedAtMs === null ? '' : `task ${taskId} has ended (${task.status}), and `
    return new FlotillaError(
      'CALL_UNKNOWN',
      `${since}no ${call} is known to wait for a person, or to have waited`,
    )
  }
  if (heldAtMs !== undefined && heldAtMs > last.heldAtMs) return null
  if (last.ended !== null) return over(`${call} no longer waits: ${last.ended}`)
  if (heldAtMs !== undefined && heldAtMs < last.heldAtMs)
    return over(`that wait of ${call} is over; it waits again, since heldAtMs ${last.heldAtMs}`)
  if (heldAtMs === undefined && waits.length > 1)
    return over(
      `${call} has waited before: say which wait is meant, heldAtMs ${last.heldAtMs} for the present one`,
    )
  return null
}

const over = (message: string): FlotillaError => new FlotillaError('CALL_NOT_WAITING', message)

function waitsIn(events: readonly TaskProgressed[], callId: string): readonly Wait[] {
  const waits: Wait[] = []
  for (const event of events) {
    const last = waits.at(-1)
    const fields = fieldsOf(event)
    const end = (ended: string) => last?.ended === null && waits.splice(-1, 1, { ...last, ended })
    if (event.kind === 'completed') end('its task has ended')
    if (fields['callId'] !== callId) continue
    const { heldAtMs } = fields
    // A reminder is of the same wait. Histories of older versions do not name waits.
    if (event.kind === 'approval_requested' && (last === undefined || last.heldAtMs !== heldAtMs))
      waits.push({ heldAtMs: typeof heldAtMs === 'number' ? heldAtMs : event.atMs, ended: null })
    if (event.kind === 'approval_decided' && fields['final'] === true) end(endingOf(fields))
  }
  return waits
}

function endingOf({ outcome, by, credential }: Readonly<Record<string, unknown>>): string {
  const who = [by, credential].find((name) => typeof name === 'string')
  return `${String(outcome)}${who === undefined ? '' : ` by ${String(who)}`}`
}

/** What the ledger has of the last wait, or of a later one. */
function withRecorded(waits: readonly Wait[], { task, recorded }: Known): readonly Wait[] {
  if (recorded === null) return waits
  const { heldAtMs, status } = recorded
  const isOpen = status === 'waiting'
  const ended = isOpen ? (task.completedAtMs === null ? null : 'its task has ended') : status
  const last = waits.at(-1)
  if (last === undefined || heldAtMs > last.heldAtMs) return [...waits, { heldAtMs, ended }]
  return last.heldAtMs === heldAtMs && last.ended === null && !isOpen
    ? [...waits.slice(0, -1), { heldAtMs, ended }]
    : waits
}
