// Rules for text from outside that names something: ids, names, remarks. They hold on every way in: records of open
// topics (Avro and plain JSON), the HTTP API, the client, the command line.
//
// 1. An id or a name is short and has no control character, invisible character or lone surrogate: keys, ledgers, logs
//    and terminals take it as it is, and two that look the same are the same (apart from Unicode's equivalent forms:
//    names are compared character by character).
// 2. A message quotes a refused text cut and escaped (`shown`), so that no text of unbounded length is copied.
import type { EventMap, EventType } from './generated/events.ts'
import { MAX_TASK_ID_CHARS, taskIdPattern } from './task-id.ts'

export const MAX_NAME_CHARS = 200
/** Longest remark of a person: the comment of a feedback, the reason of a cancel. */
export const MAX_REMARK_CHARS = 10_000
const MAX_SHOWN_CHARS = 60

/** C0 (with the zero character), DEL, C1, lone surrogates, and the two line ends of Unicode. */
const CONTROL = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u
/**
 * What shows nothing, or turns the direction of what stands around it: two names would look the same. Joiners stay,
 * which scripts and emoji need.
 */
const INVISIBLE =
  /[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]/u
const CONTROL_IN_REMARK = /(?![\t\n\r])[\p{Cc}\p{Cs}]/u
const NOT_SHOWN = /[\p{C}\p{Zl}\p{Zp}]/gu

const escaped = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}}`

/** The text for a message: its beginning, with invisible characters escaped. */
export function shown(text: string): string {
  const cut = text.slice(0, MAX_SHOWN_CHARS).replaceAll(NOT_SHOWN, escaped)
  return text.length > MAX_SHOWN_CHARS ? `${cut}… (${text.length} characters)` : cut
}

type Check = (field: string, value: string) => string | null

const idMistake: Check = (field, value) =>
  taskIdPattern.test(value)
    ? null
    : `${field} may hold letters, digits and . _ : - (no . or .. alone) and at most ${MAX_TASK_ID_CHARS} of them, so it can't be "${shown(value)}"`

const nameMistake: Check = (field, value) => {
  if (value.length > MAX_NAME_CHARS || value.trim() === '')
    return `${field} must have 1 to ${MAX_NAME_CHARS} characters; leave it out for the default`
  const control = CONTROL.exec(value)
  if (control !== null)
    return `${field} has a control character, ${escaped(control[0])}; leave such characters out`
  const invisible = INVISIBLE.exec(value)
  if (invisible === null) return null
  return `${field} has an invisible character, ${escaped(invisible[0])}; leave such characters out`
}

/** It stands in a path of the HTTP API, from which every client takes these out. */
const pathMistake: Check = (field, value) =>
  value === '.' || value === '..'
    ? `${field} can't be "${value}": no URL can name it`
    : nameMistake(field, value)

const remarkMistake: Check = (field, value) => {
  if (value.length > MAX_REMARK_CHARS)
    return `${field} has ${value.length} characters, at most ${MAX_REMARK_CHARS} are allowed`
  const control = CONTROL_IN_REMARK.exec(value)
  if (control === null) return null
  return `${field} has a control character, ${escaped(control[0])}; of those, only tabs and line ends may be there`
}

const id = idMistake
const name = nameMistake
const path = pathMistake
const remark = remarkMistake

type Checks = { readonly [T in EventType]?: { readonly [F in keyof EventMap[T]]?: Check } }

/** Checked fields of the events that anyone may write; of a list, each of its texts. */
const checks = {
  TaskSubmitted: {
    taskId: id,
    userId: name,
    agent: name,
    profile: name,
    model: name,
    sessionId: path,
    parent: name,
    forkedFrom: id,
  },
  TaskCancelled: { taskId: id, reason: remark, requestedBy: name },
  ApprovalDecided: {
    taskId: id,
    callId: name,
    reason: remark,
    decidedBy: name,
    credential: name,
    madeBy: name,
  },
  FeedbackGiven: { taskId: id, comment: remark, userId: name },
  QualityScored: { taskId: id, scorer: name },
  AlertSilenced: { rule: name, reason: remark, by: name },
  AlertTested: { testId: name, rule: name },
  StagePaused: { stage: name, reason: remark, by: name },
} as const satisfies Checks

const checksOf: ReadonlyMap<string, readonly (readonly [string, Check])[]> = new Map(
  Object.entries(checks).map(([type, ofType]) => [type, Object.entries<Check>(ofType)]),
)
const NONE: readonly string[] = []

/** Every mistake in what names something; fields that are absent have none. */
export function identityMistakes(type: EventType, data: object): readonly string[] {
  let mistakes = NONE
  for (const [field, check] of checksOf.get(type) ?? []) {
    const value = (data as Record<string, unknown>)[field]
    if (value === null || value === undefined) continue
    const texts: unknown[] = Array.isArray(value) ? value : [value]
    for (const text of texts) {
      const mistake = typeof text === 'string' ? check(field, text) : null
      if (mistake !== null) mistakes = [...mistakes, mistake]
    }
  }
  return mistakes
}

/** Whether it may name a user, an agent or the like. */
export const isName = (text: string): boolean => nameMistake('name', text) === null

/** Why no task can have this id; null when one can. */
export const taskIdMistake = (taskId: unknown): string | null =>
  typeof taskId === 'string' ? idMistake('taskId', taskId) : 'taskId must be a text'

export const isTaskId = (text: string | null | undefined): text is string =>
  typeof text === 'string' && taskIdPattern.test(text)
