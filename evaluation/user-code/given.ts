// What a module of cases gives, and what a scorer returns, as JSON: whatever types promise, it is checked.
import { inspect } from 'node:util'
import { shortened } from '../../runtime/text/bounded-text.ts'
import { messageOf } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import type { Score, UserScorer } from '../cases.ts'
import type { GivenCase, GivenModule, GivenScorer } from './messages.ts'

const MAX_NAME_CHARS = 60

/** Keeps a function, and resolves with its number. */
export type Keep = (score: UserScorer) => number

/** Null: the export is neither a list of cases nor an object with one. */
export function givenModule(exported: unknown, keep: Keep): GivenModule | null {
  const { cases, scorers = [] } = (Array.isArray(exported) ? { cases: exported } : (exported ?? {})) as {
    cases?: unknown
    scorers?: unknown
  }
  if (!Array.isArray(cases) || !Array.isArray(scorers)) return null
  const mistakes: string[] = []
  const found = givenScorers(scorers, keep, mistakes)
  return { cases: cases.map((fields: unknown) => givenCase(fields, keep)), scorers: found, mistakes }
}

function givenCase(given: unknown, keep: Keep): GivenCase {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    return { fields: {}, mistakes: ['it must be an object such as { input, expected }'] }
  const mistakes: string[] = []
  const { scorers, ...rest } = given as Record<string, unknown>
  const fields = Object.entries(rest).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, jsonOf(name, value, mistakes)] as const],
  )
  return {
    fields: Object.fromEntries(fields.filter(([, value]) => value !== undefined)) as Record<string, Json>,
    ...(scorers === undefined ? {} : { scorers: givenScorers([scorers].flat(), keep, mistakes) }),
    mistakes,
  }
}

function givenScorers(scorers: readonly unknown[], keep: Keep, mistakes: string[]): GivenScorer[] {
  return scorers.map((each): GivenScorer => {
    if (typeof each !== 'function') return { spec: jsonOf('scorers', each ?? null, mistakes) ?? null }
    const name = each.name.slice(0, MAX_NAME_CHARS) || 'function'
    return { function: { at: keep(each as UserScorer), name, source: String(each) } }
  })
}

function jsonOf(name: string, value: unknown, mistakes: string[]): Json | undefined {
  try {
    return JSON.parse(JSON.stringify(value, refuseOthers)) as Json
  } catch (error) {
    mistakes.push(`${name.slice(0, 80)} is no JSON: ${messageOf(error)}`)
    return undefined
  }
}

/** Undefined in an object is an absent field, as everywhere. */
function refuseOthers(this: unknown, name: string, shown: unknown): unknown {
  const value = (this as Record<string, unknown>)[name]
  if (value === null || value === undefined) return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (typeof value === 'string' || typeof value === 'boolean' || Array.isArray(value)) return value
  const prototype: unknown = typeof value === 'object' ? Object.getPrototypeOf(value) : undefined
  if (prototype === Object.prototype || prototype === null) return shown
  throw new TypeError(`it has ${typeof value === 'object' ? `a ${value.constructor.name}` : String(value)}`)
}

const wanted =
  'a score is a number from 0 to 1, true, false, or { score, reason } with such a number and a text'

/** What a function returned. Throws if it is no score. */
export function verdictOf(found: unknown): Score {
  const said: unknown = typeof found === 'object' ? found : { score: found }
  const { score, reason = null } = (said ?? {}) as { score?: unknown; reason?: unknown }
  const value = typeof score === 'boolean' ? Number(score) : score
  const isScore = typeof value === 'number' && value >= 0 && value <= 1
  if (isScore && (reason === null || typeof reason === 'string')) return { score: value, reason }
  throw new NoScore(`gave ${shortened(inspect(found, { depth: 1, breakLength: Infinity }), 200)}; ${wanted}`)
}

/** The message continues the name of the scorer. */
export class NoScore extends Error {}
