// Cases of a module: its default export is a list, { cases, scorers }, or a function that returns one.
//
// 1. It is code of the user's own. One that never ends is given up, and what it prints goes to stderr: stdout is for
//    the result of the command.
// 2. Cases are JSON, as if they came from a file; what is no JSON is a mistake, and not left out in silence.
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../runtime/errors.ts'
import type { Entry } from './entries.ts'
import { refusal, type Mistakes } from './mistakes.ts'

/** A data set may be fetched from elsewhere. */
const MODULE_MS = 300_000

export interface ModuleEntries {
  readonly entries: readonly Entry[]
  readonly scorers: readonly unknown[]
}

export async function entriesOfModule(
  path: string,
  mistakes: Mistakes,
  withinMs = MODULE_MS,
): Promise<ModuleEntries> {
  const value = await withinTime(exportOf(path), path, withinMs)
  const { cases, scorers = [] } = (Array.isArray(value) ? { cases: value } : (value ?? {})) as {
    cases?: unknown
    scorers?: unknown
  }
  if (!Array.isArray(cases) || !Array.isArray(scorers))
    throw refusal(path, ['its default export must be a list of cases, or { cases: […], scorers: […] }'])
  const entries = cases.map((fields: unknown, index): Entry => {
    const place = `case ${index + 1}`
    return { place, fields: jsonFields(fields, place, mistakes) }
  })
  return { entries, scorers }
}

async function exportOf(path: string): Promise<unknown> {
  try {
    const { default: exported } = (await import(pathToFileURL(path).href)) as { default?: unknown }
    return typeof exported === 'function' ? await (exported as () => unknown)() : exported
  } catch (error) {
    throw refusal(path, [`it can't be loaded: ${messageOf(error)}`])
  }
}

/** The timer also keeps the process alive: a module that awaits nothing would end it without a word. */
async function withinTime<T>(work: Promise<T>, path: string, withinMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const why = `it gave no cases within ${withinMs / 1_000} s: something in it never ends`
    timer = setTimeout(() => reject(refusal(path, [why])), withinMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Scorers may be functions. */
function jsonFields(fields: unknown, place: string, mistakes: Mistakes): Entry['fields'] {
  if (typeof fields !== 'object' || fields === null || Array.isArray(fields)) {
    mistakes.add(place, 'it must be an object such as { input, expected }')
    return {}
  }
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(
    given.map(([name, value]: [string, unknown]) => [
      name,
      name === 'scorers' ? value : jsonOf(name, value, place, mistakes),
    ]),
  )
}

function jsonOf(name: string, value: unknown, place: string, mistakes: Mistakes): unknown {
  try {
    return JSON.parse(JSON.stringify(value, refuseOthers))
  } catch (error) {
    mistakes.add(place, `${name.slice(0, 80)} is no JSON: ${messageOf(error)}`)
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
