// Calls that wait for a person: an approval, the answer to a question, or whether a call in doubt took effect.
//
// 1. The arguments are frozen, and so are the terms: a configuration that changes meanwhile changes neither.
// 2. A decision counts if it is from somebody who may decide (deciders.ts), and fits. Any other leaves the call
//    waiting, and the history says why. A record for a call that does not wait changes nothing.
//    A call may wait several times: for an approval, for what its server asks, because it is in doubt. A decision is
//    about one wait, which it names from the second one on: one that is late or comes twice never decides a later wait.
// 3. Votes count together if they are for the same arguments: one without any is for those that were asked for.
//    One who declines ends it.
// 4. While it waits its task's deadline stands still: released, it has as long as it had left.
// 5. Silence is no consent, and no refusal either: the model is told that nobody decided.
import type { Decision, Emit } from '../../runtime/stage.ts'
import { failure } from '../../runtime/errors.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../runtime/json/depth.ts'
import { agreeing, peopleIn } from '../../runtime/task/people.ts'
import { sortedJson } from '../../runtime/json/sorted.ts'
import type { Json } from '../../schemas/json.ts'
import type {
  ApprovalDecided,
  Failure,
  ToolCompleted,
  ToolRequested,
} from '../../schemas/generated/events.ts'
import { cannotDecide, tooManyVotes, withVote } from './deciders.ts'
import { completedEvents } from './events.ts'
import { decidedEvent, heldEvents, releasedEvents, votedEvents } from './held-events.ts'
import type { Given } from './call.ts'
import type { Approval, Held, ToolRows, Vote } from './rows.ts'
import { givenBy } from './server-answer.ts'

export const EXPIRY = 'expiry'

type Decided = Decision<ToolRows>
/** The handling in which it happens. */
export interface At {
  readonly id: string
  readonly atMs: number
}

export function hold(begun: Held, at: At): Decided {
  const held = { ...begun, heldAtMs: Math.max(begun.heldAtMs, (begun.before?.heldAtMs ?? -1) + 1) }
  return {
    rows: { held, waiting: null, ...(held.polling && { polling: null }) },
    timers: { [EXPIRY]: held.expiresAtMs, retry: null },
    emit: heldEvents(held, at),
  }
}

/** What becomes of a held call by one decision: it keeps waiting, it ends, or `run` is to be called. */
export type Verdict =
  | { readonly do: 'wait'; readonly decided: Decided }
  | { readonly do: 'end'; readonly decided: Decided }
  | {
      readonly do: 'run'
      readonly decided: Decided
      readonly request: ToolRequested
      readonly approval: Approval
      /** For the server that asked. */
      readonly given?: Given
    }

/** Checks arguments or an answer; the problems. */
export type Fits = (value: Json) => readonly string[]

export interface Checks {
  readonly arguments: Fits
  readonly answer: Fits
  readonly output: Fits
}

export function decideHeld(held: Held, given: ApprovalDecided, at: At, checks: Checks): Verdict {
  const ignored = (problem: string): Verdict => ({
    do: 'wait',
    decided: { emit: [decidedEvent(held, given, at.atMs, { problem })] },
  })
  const problem = ofOtherWait(held, given) ?? cannotDecide(held, given) ?? unfit(held, given, checks)
  if (problem !== null) return ignored(problem)
  const vote = voteOf(held, given, at.atMs)
  if (!given.approved && !tookEffect(held, given)) return settle(held, given, at, [...held.votes, vote])
  const votes = withVote(held.votes, vote)
  const agreed = agreeing(held.request.arguments, votes, vote)
  const missing = held.terms.needed - peopleIn(agreed)
  if (missing <= 0) return settle(held, given, at, agreed)
  const tooMany = tooManyVotes(votes)
  return tooMany === null ? voted({ ...held, votes }, given, at, missing) : ignored(tooMany)
}

/** Why it is not about this wait; null if it is. */
function ofOtherWait({ heldAtMs, before }: Held, { heldAtMs: meant }: ApprovalDecided): string | null {
  if (meant === heldAtMs) return null
  if (meant !== null) return 'it is about another wait of this call (heldAtMs)'
  if (!hasWaited(before)) return null
  return `this call has waited before, and it does not say which wait it is about: now heldAtMs is ${heldAtMs}`
}

const hasWaited = (before: Approval | undefined): boolean =>
  before !== undefined && (before.outcome !== 'not needed' || hasWaited(before.before))

function voteOf(held: Held, given: ApprovalDecided, atMs: number): Vote {
  const { decidedBy: by, credential, madeBy, reason } = given
  return {
    by,
    ...(credential !== null && { credential }),
    ...(madeBy !== null && madeBy.length > 0 && { madeBy }),
    atMs,
    reason,
    arguments: subjectOf(held, given),
  }
}

/** It is said of calls in doubt only. Who says so gives the call its result, whether the call is approved or not. */
const tookEffect = ({ why }: Held, given: ApprovalDecided): boolean =>
  why === 'doubt' && given.tookEffect === true

/** What a vote is for, as far as it differs from what was asked for. */
function subjectOf({ why }: Held, { arguments: edited, answer, tookEffect: effect }: ApprovalDecided): Json {
  if (why === 'question') return answer
  return why === 'doubt' ? { tookEffect: effect, answer, edited } : edited
}

function unfit(held: Held, given: ApprovalDecided, checks: Checks): string | null {
  const { arguments: edited, answer, approved } = given
  if ([edited, answer].some((value) => isDeeperThan(value, MAX_JSON_DEPTH)))
    return `it is nested more than ${MAX_JSON_DEPTH} deep`
  if (held.why === 'doubt' && given.tookEffect === null)
    return 'it does not say whether the call took effect (tookEffect)'
  if (tookEffect(held, given))
    return said('the result does not fit the schema of the tool', checks.output(answer))
  if (!approved) return null
  if (held.why === 'question') return unfitAnswer(held, answer, checks)
  return edited === null ? null : said('the edited arguments do not fit', checks.arguments(edited))
}

/** Null is an answer only where the schema of the question takes it. */
function unfitAnswer({ terms }: Held, answer: Json, checks: Checks): string | null {
  const problems = answer === null && terms.answer === null ? ['null'] : checks.answer(answer)
  return answer === null && problems.length > 0
    ? 'it has no answer'
    : said('the answer does not fit its schema', problems)
}

const said = (what: string, problems: readonly string[]): string | null =>
  problems.length === 0 ? null : `${what}: ${problems.join('; ')}`

function voted(held: Held, given: ApprovalDecided, at: At, missing: number): Verdict {
  return {
    do: 'wait',
    decided: {
      rows: { held },
      emit: [...votedEvents(held), decidedEvent(held, given, at.atMs, { missing })],
    },
  }
}

function settle(held: Held, given: ApprovalDecided, at: At, votes: readonly Vote[]): Verdict {
  const outcome = outcomeOf(held, given)
  const approval = approvalOf(held, outcome, at.atMs, votes, given)
  const events = [
    ...releasedEvents(held, approval, null, at.atMs),
    decidedEvent(held, given, at.atMs, { outcome }),
  ]
  const { question } = held
  const isAnswered = outcome === 'answered' && question !== undefined
  if (outcome === 'approved' || isAnswered) {
    const request = resumed(held, at.atMs, isAnswered ? null : given.arguments)
    return {
      do: 'run',
      request,
      approval,
      ...(isAnswered && { given: givenBy(question, given.answer) }),
      decided: { rows: { held: null }, timers: { [EXPIRY]: null }, emit: events },
    }
  }
  return { do: 'end', decided: over(held, approval, replyOf(held, given, outcome), events, at.atMs) }
}

function outcomeOf(held: Held, given: ApprovalDecided): 'approved' | 'declined' | 'answered' | 'settled' {
  const { why } = held
  if (tookEffect(held, given) || (why === 'doubt' && !given.approved)) return 'settled'
  if (!given.approved) return 'declined'
  return why === 'question' ? 'answered' : 'approved'
}

type Reply = Pick<ToolCompleted, 'status' | 'output' | 'error'>

function replyOf(held: Held, given: ApprovalDecided, outcome: string): Reply {
  const { why } = held
  const { answer, reason } = given
  if (outcome === 'answered' || tookEffect(held, given))
    return { status: 'succeeded', output: answer, error: null }
  const because = reason === null ? '' : `: ${reason}`
  const message =
    why === 'doubt'
      ? `This call did not take effect, and a person decided not to make it again${because}`
      : why === 'question'
        ? `A person declined to answer${because}`
        : `A person declined this call${because}`
  return { status: 'refused', output: null, error: failure('TOOL_DENIED', message) }
}

/** Nobody decided in time. */
export function expire(held: Held, at: At): Decided {
  const { terms, expiresAtMs, heldAtMs } = held
  if (terms.onExpiry === 'wait') {
    const next = at.atMs + Math.max(1, (expiresAtMs ?? at.atMs) - heldAtMs)
    return { timers: { [EXPIRY]: next }, emit: heldEvents(held, at, true) }
  }
  const error = notDecided(held)
  const reply: Reply =
    held.why === 'doubt' && held.doubt
      ? { status: 'unknown', output: null, error: held.doubt.failure }
      : { status: 'undecided', output: null, error }
  const approval = approvalOf(held, 'expired', at.atMs, held.votes)
  const failsTask = terms.onExpiry === 'fail' ? error : null
  const events = [
    ...releasedEvents(held, approval, failsTask, at.atMs),
    decidedEvent(held, null, at.atMs, { outcome: 'expired' }),
  ]
  return over(held, approval, reply, events, at.atMs)
}

function notDecided({ why, request: { tool }, heldAtMs, expiresAtMs }: Held): Failure {
  const within = shownTime((expiresAtMs ?? heldAtMs) - heldAtMs)
  const what = why === 'question' ? 'answered the question' : `decided about the call of ${tool}`
  return failure(
    'APPROVAL_EXPIRED',
    `Nobody ${what} within ${within}. It was not made; nobody refused it either. It may be asked for again`,
  )
}

function shownTime(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s`
  return ms < 3_600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 360_000) / 10} h`
}

/** Its work was cancelled, or it can't be made any more: `reply` says why. */
export function withdraw(held: Held, reply: Reply, atMs: number): Decided {
  const { approval, events } = withdrawn(held, atMs)
  return over(held, approval, reply, events, atMs)
}

/** Its task is over: the wait is reported as withdrawn, and no requester is left to answer. */
export const drop = (held: Held, atMs: number): Decided => ({
  clear: true,
  emit: withdrawn(held, atMs).events,
})

function withdrawn(held: Held, nowMs: number): { approval: Approval; events: Emit[] } {
  const atMs = Math.max(nowMs, held.heldAtMs)
  const approval = approvalOf(held, 'withdrawn', atMs, held.votes)
  const decided = decidedEvent(held, null, atMs, { outcome: 'withdrawn' })
  return { approval, events: [...releasedEvents(held, approval, null, atMs), decided] }
}

function over(held: Held, approval: Approval, reply: Reply, events: readonly Emit[], atMs: number): Decided {
  const startedAtMs = held.firstMs ?? atMs
  const answer = reply.status === 'succeeded' ? { answer: { output: reply.output, cached: false } } : {}
  const ending = {
    ...reply,
    ...answer,
    startedAtMs,
    endedAtMs: held.firstMs === undefined ? startedAtMs : held.heldAtMs,
  }
  return {
    rows: { held: null },
    timers: { [EXPIRY]: null },
    emit: [...events, ...completedEvents(held.request, ending, approval)],
  }
}

/** The request as it is made: with the arguments that were agreed on, and as long a time as it had left. */
export function resumed({ request, heldAtMs }: Held, atMs: number, edited: Json = null): ToolRequested {
  const deadlineMs = request.deadlineMs + Math.max(0, atMs - heldAtMs)
  return { ...request, deadlineMs, arguments: edited ?? request.arguments }
}

/** Arguments that are sent back as they were asked for are no change. */
const changed = (asked: Json, edited: Json): Json =>
  edited !== null && sortedJson(edited) !== sortedJson(asked) ? edited : null

function approvalOf(
  { why, terms: { rule }, heldAtMs, request, before }: Held,
  outcome: Approval['outcome'],
  endedAtMs: number,
  votes: readonly Vote[],
  given?: ApprovalDecided,
): Approval {
  const edited = outcome === 'approved' ? changed(request.arguments, given?.arguments ?? null) : null
  const decisions = votes.map(({ arguments: _, ...vote }, index) => {
    const approved = index === votes.length - 1 && given ? given.approved : true
    return { ...vote, approved }
  })
  return {
    why,
    rule,
    outcome,
    heldAtMs,
    endedAtMs,
    ...(edited !== null && { asked: request.arguments, edited }),
    decisions,
    ...(before && { before }),
  }
}
