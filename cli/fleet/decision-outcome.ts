// What became of a decision: the fleet takes it, and the stage that holds the call decides whether it counts.
import { setTimeout as pause } from 'node:timers/promises'
import type { ApprovalInput } from '../../client/types.ts'
import { fieldsOf } from '../../operator/direct/tasks/progress.ts'
import type { Operator } from '../../operator/index.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { TaskProgressed } from '../../schemas/generated/events.ts'

/** A stage that runs reads it within milliseconds. */
const LIMIT_MS = 5_000
const PAUSE_MS = 100

type Decision = Readonly<Record<string, unknown>>

/** How many decisions about this wait there are already: what is sent next comes behind them. */
export async function decisionsBefore({ tasks }: Operator, input: ApprovalInput): Promise<number> {
  return decisionsAbout((await tasks.get(input.taskId)).events, input).length
}

/**
 * Resolves with what is to be said behind `approved`: nothing, or that others must agree, or that no stage has read it
 * yet. Rejects with REQUEST_INVALID and the reason if it does not count, with CALL_NOT_WAITING if somebody else was first.
 */
export async function outcomeOf({ tasks }: Operator, input: ApprovalInput, before: number): Promise<string> {
  const untilMs = Date.now() + LIMIT_MS
  do {
    const { events, completedAtMs } = await tasks.get(input.taskId)
    const said = saidOf(events, input, before)
    if (said !== null) return said
    // Its history is its result now: the task has gone on with a decision.
    if (completedAtMs !== null) return ''
    await pause(PAUSE_MS)
  } while (Date.now() < untilMs)
  return '; the fleet has not read it yet'
}

/** Null: no stage has read it. */
export function saidOf(
  events: readonly TaskProgressed[],
  input: ApprovalInput,
  before: number,
): string | null {
  const decisions = decisionsAbout(events, input).slice(before)
  const final = decisions.find((decision) => decision['final'] === true)
  const like = decisions.filter((decision) => isOurs(decision, input))
  // Two people may say the same at once: if that is how the wait ended, it ended as both said.
  const ours = like.find((decision) => decision === final) ?? like[0]
  if (final && ours?.['outcome'] === 'counted' && agrees(ours, final)) return ''
  if (final !== undefined && final !== ours)
    throw new FlotillaError(
      'CALL_NOT_WAITING',
      `call ${input.callId} no longer waits: it was ${text(final['outcome'])} by ${text(final['by']) || 'somebody else'}`,
    )
  if (ours === undefined) return null
  const problem = text(ours['problem'])
  if (problem !== '')
    throw new FlotillaError(
      'REQUEST_INVALID',
      `the decision does not count, and call ${input.callId} still waits: ${problem}`,
    )
  return typeof ours['missing'] === 'number' ? `; more people must agree: ${ours['missing']}` : ''
}

/** It counted, and the other one ended the wait with it. */
const agrees = (counted: Decision, final: Decision): boolean =>
  final['approved'] === true && ['arguments', 'answer'].every((name) => same(counted[name], final[name]))

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Those about the wait that is meant: a call may wait several times. */
function decisionsAbout(events: readonly TaskProgressed[], { callId, heldAtMs }: ApprovalInput): Decision[] {
  let isMeant = true
  return events.flatMap((event) => {
    const fields = fieldsOf(event)
    if (fields['callId'] !== callId) return []
    if (event.kind === 'approval_requested')
      isMeant = heldAtMs === undefined || fields['heldAtMs'] === heldAtMs
    return event.kind === 'approval_decided' && isMeant ? [fields] : []
  })
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a ?? null) === JSON.stringify(b ?? null)

/** By whom it is only the gateway knows. */
const isOurs = (fields: Decision, { approved, reason, arguments: edited, answer }: ApprovalInput): boolean =>
  fields['approved'] === approved &&
  same(fields['reason'], reason) &&
  same(fields['arguments'], edited) &&
  same(fields['answer'], answer)
