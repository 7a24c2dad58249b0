// Events of calls that wait for a person. Those of one call have one order: all are emitted under its own key.
import { boundedText } from '../../runtime/text/bounded-text.ts'
import type { Emit } from '../../runtime/stage.ts'
import type { Json } from '../../schemas/json.ts'
import type { ApprovalDecided, CallHeld, Failure } from '../../schemas/generated/events.ts'
import { progressEvent } from './events.ts'
import type { Approval, Held } from './rows.ts'

/** The key of alerting's notifications, which have one home. */
const NOTIFICATIONS = 'fleet'

export function heldEvents(held: Held, at: { id: string; atMs: number }, isReminder = false): Emit[] {
  const { request, why, expiresAtMs, heldAtMs, terms } = held
  const { callId, tool } = request
  const args = shownOf(held)
  const { needed, approvers, selfApproval, onExpiry, rule, answer } = terms
  const detail = {
    callId,
    tool,
    arguments: args,
    why,
    rule,
    heldAtMs,
    expiresAtMs,
    needed,
    approvers: { scope: approvers.scope, users: approvers.users && [...approvers.users] },
    ...(selfApproval === false && { selfApproval }),
    onExpiry,
    answer,
    ...(isReminder && { reminder: true }),
    ...(held.doubt && { error: { ...held.doubt.failure } }),
  }
  return [
    ...(isReminder ? [] : [heldEvent(held)]),
    progressEvent(request, 'approval_requested', at.atMs, detail),
    ...notifications(held, at, 'approval', asked(held)),
  ]
}

export const votedEvents = (held: Held): Emit[] => [heldEvent(held)]

/** What a person decides about; of a server's question, its text as that of any question. */
function shownOf({ request, question }: Held): Json {
  if (!question) return request.arguments
  const { text, server } = question
  return { question: text, server, call: request.arguments }
}

function heldEvent(held: Held): Emit {
  const { request, why, heldAtMs, expiresAtMs, terms, votes } = held
  const { taskId, callId, tool, requester, step, userId, agent } = request
  const args = shownOf(held)
  const data: CallHeld = {
    taskId,
    callId,
    tool,
    requester,
    step,
    why,
    arguments: args,
    userId,
    agent: agent ?? null,
    heldAtMs,
    expiresAtMs,
    terms: terms as unknown as Json,
    votes: votes as unknown as Json,
  }
  return { topic: 'tools.completed', type: 'CallHeld', key: taskId, data }
}

export function releasedEvents(
  held: Held,
  approval: Approval,
  failsTask: Failure | null,
  atMs: number,
): Emit[] {
  const { request, heldAtMs } = held
  const { taskId, callId, tool, requester, step } = request
  const outcome = approval.outcome === 'not needed' ? 'withdrawn' : approval.outcome
  const data = {
    ...{ taskId, callId, tool, requester, step, outcome, heldAtMs, atMs, failsTask },
    approval: approval as unknown as Json,
  }
  const last = approval.decisions.at(-1)
  const by = last?.by ?? last?.credential
  const message = `${asked(held)}: ${outcome}${by ? ` by ${by}` : ''}`
  return [
    { topic: 'tools.completed', type: 'CallReleased', key: taskId, data },
    ...notifications(held, { id: `${taskId}.${callId}.${outcome}`, atMs }, 'resolved', message),
  ]
}

export interface DecisionMade {
  /** Absent: the call still waits. */
  readonly outcome?: Approval['outcome']
  /** Why the decision does not count. */
  readonly problem?: string
  /** How many more must agree. */
  readonly missing?: number
}

/** `given`: null if nobody decided. */
export function decidedEvent(
  { request, why }: Held,
  given: ApprovalDecided | null,
  atMs: number,
  { outcome, problem, missing }: DecisionMade,
): Emit {
  const { callId, tool } = request
  const {
    approved = null,
    reason = null,
    decidedBy = null,
    credential = null,
    arguments: edited = null,
    answer = null,
  } = given ?? {}
  const detail = {
    ...{ callId, tool, why, approved, by: decidedBy, credential, reason },
    final: outcome !== undefined,
    outcome: outcome ?? (problem === undefined ? 'counted' : 'not counted'),
    ...(edited !== null && { arguments: edited }),
    ...(answer !== null && { answer }),
    ...(problem !== undefined && { problem: boundedText(problem) }),
    ...(missing !== undefined && { missing }),
  }
  return progressEvent(request, 'approval_decided', atMs, detail)
}

/** Without arguments: a channel is read by more people than may see them. */
function asked({ why, request: { tool, taskId, agent } }: Held): string {
  const what = {
    approval: `A call of ${tool} waits for approval`,
    question: `A question (${tool}) waits for an answer`,
    doubt: `A call of ${tool} is in doubt: did it take effect`,
  }[why]
  return `${what} (task ${taskId}${agent ? `, agent ${agent}` : ''})`
}

function notifications(
  { terms, request: { taskId, callId, tool } }: Held,
  { id, atMs }: { id: string; atMs: number },
  kind: 'approval' | 'resolved',
  message: string,
): Emit[] {
  const alertId = `${taskId}.${callId}`
  const notice = {
    kind,
    alertId,
    rule: tool,
    severity: 'warning',
    value: 1,
    threshold: 0,
    message,
    runbook: null,
    atMs,
  }
  return terms.notify.map((channel): Emit => {
    const data = { notificationId: `${id}-${channel}`, channel, notices: [notice], testId: null, atMs }
    return { topic: 'alerts.notifications', type: 'NotificationRequested', key: NOTIFICATIONS, data }
  })
}
