// Python variables of a session: the steps that define them again, turn by turn, as the tasks of the session left them.
//
// 1. Each agent has its own, for each executor: another agent has other tools, and its Python would not do the same.
// 2. They are kept whole or not at all. Above a limit, or where a turn's steps do not stand behind those that are kept,
//    all of them go, and the next task of the agent is told why.
// 3. A turn that is lost leaves what was kept before it.
import type { Sessions } from '../../runtime/config/sessions.ts'
import {
  asJson,
  charsOf,
  lastOf,
  LOST,
  sum,
  tooManyChars,
  type GivenVariables,
  type KeptStep,
  type TurnVariables,
} from '../../runtime/python/kept-variables.ts'
import { exactTime, plural } from '../../runtime/text/quantities.ts'
import type { Json } from '../../runtime/stage.ts'
import type { TurnEnded } from '../../schemas/generated/events.ts'
import type { KeptVariables, Running, Session, SessionDecision, State, TurnSteps, Waiting } from './rows.ts'

type Rows = Record<`variables:${number}`, TurnSteps | null>

interface Kept {
  readonly session: Session
  readonly rows: Rows
  /** For the history; null: the turn keeps none. */
  readonly detail: Json
}

const HOUR_MS = 3_600_000
const EMPTY: KeptVariables = { from: 1, last: null, steps: 0, chars: 0, computeMs: 0, gone: null }

const ownerOf = ({ agent, executor }: Pick<Running, 'agent' | 'executor'>): string | null =>
  executor === undefined ? null : `${executor}/${agent}`

/** `session` and `rows` are those before the turn, `turn` is its number. */
export function keepVariables(
  session: Session,
  rows: State,
  { turn, data, limits }: { turn: number; data: TurnEnded; limits: Sessions },
): Kept {
  const owner = session.running && ownerOf(session.running)
  if (owner === null) return { session, rows: {}, detail: null }
  const before = session.variables?.[owner] ?? EMPTY
  const ended = data.variables as unknown as TurnVariables | null
  // No model answers in a task that never ran, and in one that nothing is known of.
  if (ended === null && data.model === null) return { session, rows: {}, detail: describe(before) }
  const added = turnSteps(before, ended)
  const after = 'gone' in added ? without(added.gone) : withSteps(before, added, turn, limits)
  const isGone = before.steps > 0 && (after.steps === 0 || after.from > before.from)
  const dropped = isGone ? rowsOf(rows, owner, before, turn) : {}
  const isWritten = after.steps > 0 && !('gone' in added) && added.steps.length > 0
  return {
    session: { ...session, variables: { ...session.variables, [owner]: after } },
    rows: { ...dropped, ...(isWritten && { [`variables:${turn}`]: { owner, steps: added.steps } }) },
    detail: describe(after),
  }
}

const without = (gone: string): KeptVariables => ({ ...EMPTY, gone })

type Added = { readonly fresh: boolean; readonly steps: readonly KeptStep[] }

function turnSteps(before: KeptVariables, ended: TurnVariables | null): Added | { gone: string } {
  if (ended === null) return { gone: LOST }
  const { after, fresh, gone, steps } = ended
  if (gone !== null) return { gone }
  return fresh || after === before.last ? { fresh, steps } : { gone: LOST }
}

function withSteps(
  before: KeptVariables,
  { fresh, steps }: Added,
  turn: number,
  limits: Sessions,
): KeptVariables {
  if (!fresh && steps.length === 0) return before
  const base = fresh || before.steps === 0 ? { ...EMPTY, from: turn } : before
  const chars = base.chars + sum(steps.map(charsOf))
  const computeMs = base.computeMs + sum(steps.map((step) => step.computeMs))
  if (chars > limits.variablesChars) return without(tooManyChars(limits.variablesChars))
  if (computeMs > limits.variablesComputeMs) return without(tooSlow(limits.variablesComputeMs))
  return { ...base, last: lastOf(steps), steps: base.steps + steps.length, chars, computeMs, gone: null }
}

const tooSlow = (most: number): string => `what defines them again computes for more than ${exactTime(most)}`

/** Deletes the rows of what was kept before this turn. */
function rowsOf(rows: State, owner: string, { from }: KeptVariables, turn: number): Rows {
  const deleted: Rows = {}
  for (let n = from; n < turn; n++) {
    const name = `variables:${n}` as const
    if (name in rows && stepsOf(rows, n, owner) !== undefined) deleted[name] = null
  }
  return deleted
}

/** Null: the blob store has lost the row; undefined: it is none of this owner's. */
function stepsOf(rows: State, turn: number, owner: string): readonly KeptStep[] | null | undefined {
  try {
    const row = rows[`variables:${turn}`]
    return row?.owner === owner ? row.steps : undefined
  } catch {
    return null
  }
}

/** What the task whose turn begins is given, and the session that gives it. */
export function giveVariables(
  session: Session,
  rows: State,
  next: Waiting,
): { session: Session; given: Json } {
  const owner = ownerOf(next)
  if (owner === null) return { session, given: null }
  const kept = session.variables?.[owner] ?? EMPTY
  const steps: KeptStep[] = []
  for (let turn = kept.from; kept.steps > 0 && turn <= session.turns; turn++)
    if (`variables:${turn}` in rows) steps.push(...(stepsOf(rows, turn, owner) ?? []))
  const isWhole = steps.length === kept.steps
  const after = isWhole ? kept : without(LOST)
  const given: GivenVariables = { after: after.last, steps: isWhole ? steps : [], gone: after.gone }
  return isWhole
    ? { session, given: asJson(given) }
    : { session: { ...session, variables: { ...session.variables, [owner]: after } }, given: asJson(given) }
}

/** Sizes of all that is kept, and until when if no message comes; null if nothing ever was. */
export function sizesOf({ variables }: Session, atMs: number, { variablesHours }: Sessions): Json {
  if (variables === undefined) return null
  const owners = Object.entries(variables).map(([owner, kept]) => {
    const at = owner.indexOf('/')
    return { agent: owner.slice(at + 1), executor: owner.slice(0, at), ...describe(kept) }
  })
  return { untilMs: atMs + variablesHours * HOUR_MS, owners }
}

export const hasVariables = ({ variables = {} }: Session): boolean =>
  Object.values(variables).some(({ steps }) => steps > 0)

/** The session was idle for too long. */
export function dropVariables(session: Session, rows: State, { variablesHours }: Sessions): SessionDecision {
  const names = Object.keys(rows).filter((name) => name.startsWith('variables:'))
  const gone = `they are kept for ${plural(variablesHours, 'hour')} after the last message`
  const owners = Object.entries(session.variables ?? {})
  const variables = Object.fromEntries(
    owners.map(([owner, kept]) => [owner, kept.steps > 0 ? without(gone) : kept]),
  )
  return {
    rows: { ...Object.fromEntries(names.map((name) => [name, null])), session: { ...session, variables } },
  }
}

const describe = ({ steps, chars, computeMs, gone }: KeptVariables) => ({
  steps,
  chars,
  computeMs,
  ...(gone !== null && { gone }),
})
