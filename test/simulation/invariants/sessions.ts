// Sessions: one task at a time, in the order in which they came, for one user only; Python variables that earlier turns
// of the session left, for the agent that defined them, all of them or none.
import type { GivenVariables, StepReport } from '../../../runtime/python/kept-variables.ts'
import { grouped, type Evidence, type Written } from '../evidence.ts'
import type { Simulation } from '../simulate.ts'

interface Turn {
  readonly taskId: string
  readonly userId: string | null
  readonly history: string
  readonly agent: string
  readonly variables: GivenVariables | null
  readonly fromMs: number
  readonly toMs: number
}

export function checkSessions(_run: Simulation, evidence: Evidence): string[] {
  const ends = new Map(evidence.of('TaskCompleted').map(({ data, atMs }) => [data.taskId, atMs]))
  const turns = evidence
    .of('TaskAdmitted')
    .flatMap(({ data: { taskId, sessionId, userId, history, agent, variables }, atMs }) =>
      sessionId === null
        ? []
        : [
            {
              sessionId,
              taskId,
              userId,
              history: JSON.stringify(history),
              agent,
              variables: variables as unknown as GivenVariables | null,
              fromMs: atMs,
              toMs: ends.get(taskId) ?? Infinity,
            },
          ],
    )
  const left = stepsLeft(evidence)
  const asked = grouped(ofSessions(evidence), ({ data }) => data.sessionId)
  return [...grouped(turns, ({ sessionId }) => sessionId)].flatMap(([sessionId, all]) => {
    const inOrder = all.toSorted((a, b) => a.fromMs - b.fromMs || a.toMs - b.toMs)
    return [
      ...oneAtATime(sessionId, inOrder),
      ...foreignSteps(sessionId, inOrder, left),
      ...missingSteps(sessionId, inOrder, left),
      ...outOfOrder(sessionId, evidence, asked.get(sessionId) ?? []),
      ...ofOthers(sessionId, inOrder, asked.get(sessionId) ?? []),
    ]
  })
}

type Asked = Written<'TurnRequested'> | Written<'SessionDeleted'>

/** In the order of the session's partition. */
const ofSessions = (evidence: Evidence): Asked[] =>
  [...evidence.of('TurnRequested'), ...evidence.of('SessionDeleted')].toSorted((a, b) => a.offset - b.offset)

function oneAtATime(sessionId: string, turns: readonly Turn[]): string[] {
  return turns.flatMap((turn, index) => {
    const before = turns[index - 1]
    return before && before.toMs > turn.fromMs
      ? [`session ${sessionId}: ${turn.taskId} was admitted before ${before.taskId} had ended`]
      : []
  })
}

/** A turn that an event of the session granted is that of the message that was submitted first, but for those that interrupt. */
function outOfOrder(sessionId: string, evidence: Evidence, asked: readonly Asked[]): string[] {
  const requests = asked.flatMap((each) =>
    each.type === 'TurnRequested' && each.data.whenBusy !== 'interrupt' ? [each] : [],
  )
  const offsets = new Map(
    evidence.written.flatMap(({ topic, eventId, offset }) =>
      topic === 'sessions.requested' ? [[eventId, offset] as const] : [],
    ),
  )
  const granted = new Map(evidence.of('TurnGranted').map((grant) => [grant.data.taskId, grant]))
  return requests.flatMap((second) => {
    const grant = granted.get(second.data.task)
    if (grant === undefined) return []
    const known = offsets.get(grant.causeId ?? '') ?? -1
    const passed = requests.filter(
      (first) =>
        first.data.submittedAtMs < second.data.submittedAtMs &&
        first.offset < known &&
        (granted.get(first.data.task)?.atMs ?? -1) > grant.atMs,
    )
    return passed.map(({ data }) => `session ${sessionId}: ${second.data.task} passed ${data.task}`)
  })
}

/** Between two deletions all turns are of one user, and none is given what another user's task said. */
function ofOthers(sessionId: string, turns: readonly Turn[], asked: readonly Asked[]): string[] {
  const violations: string[] = []
  const byTask = new Map(turns.map((turn) => [turn.taskId, turn]))
  let owner: string | null | undefined
  const users = new Map<string, string | null>()
  for (const { type, data } of asked) {
    if (type === 'SessionDeleted') owner = undefined
    else users.set(data.task, data.userId)
    const turn = type === 'TurnRequested' ? byTask.get(data.task) : undefined
    if (turn === undefined) continue
    owner ??= turn.userId
    if (turn.userId !== owner)
      violations.push(`session ${sessionId} of ${owner} gave a turn to ${turn.taskId} of ${turn.userId}`)
  }
  for (const { taskId, userId, history } of turns)
    for (const [, other] of history.matchAll(/do (c\d+-\d+-\d+)/g))
      if (!users.has(other ?? '') || users.get(other ?? '') !== userId)
        violations.push(`session ${sessionId}: ${taskId} of ${userId} was given what ${other} said`)
  return violations
}

interface Left {
  readonly taskId: string
  /** Its contents. */
  readonly step: string
  /** The step that it stands behind. */
  readonly after: number | null
}

/** Each Python step, by its seed. */
function stepsLeft(evidence: Evidence): Map<string, Left> {
  return new Map(
    evidence.of('CodeCompleted').flatMap(({ data: { taskId, kept } }) => {
      const { step = null, after = null } = (kept ?? {}) as unknown as Partial<StepReport>
      return step === null ? [] : [[step.seed, { taskId, after, step: JSON.stringify(step) }] as const]
    }),
  )
}

/** What a turn is given is whole: each step stands behind the one that it stood behind when it ran. */
function missingSteps(sessionId: string, turns: readonly Turn[], left: ReadonlyMap<string, Left>): string[] {
  return turns.flatMap(({ taskId, variables }) =>
    (variables?.steps ?? []).flatMap(({ n, seed }, index, steps) => {
      const [before, ran] = [steps[index - 1]?.n ?? null, left.get(seed)?.after ?? null]
      return before === ran
        ? []
        : [`session ${sessionId}: ${taskId} was given step ${n} behind ${before}, which ran behind ${ran}`]
    }),
  )
}

/** Each step that a turn was given is as an earlier turn of the session left it, of the same user and agent. */
function foreignSteps(sessionId: string, turns: readonly Turn[], left: ReadonlyMap<string, Left>): string[] {
  return turns.flatMap(({ taskId, userId, agent, variables, fromMs }) => {
    const earlier = turns.filter(
      (turn) => turn.toMs <= fromMs && turn.userId === userId && turn.agent === agent,
    )
    const tasks = new Set(earlier.map((turn) => turn.taskId))
    const wrong = (variables?.steps ?? []).filter((step) => {
      const found = left.get(step.seed)
      return found === undefined || !tasks.has(found.taskId) || found.step !== JSON.stringify(step)
    })
    return wrong.map(
      ({ n }) => `session ${sessionId}: ${taskId} was given step ${n}, which no earlier turn left`,
    )
  })
}
