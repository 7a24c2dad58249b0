// Values of options, checked while the command line is read.
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { messageOf } from '../../runtime/errors.ts'
import { isTaskId } from '../../schemas/identity.ts'
import type { Json } from '../../schemas/json.ts'
import { MAX_TASK_ID_CHARS } from '../../schemas/task-id.ts'
import { textOf } from './read-text.ts'

export function number(text: string): number {
  const value = Number(text)
  if (!Number.isFinite(value) || text.trim() === '') throw new InvalidArgumentError('It must be a number.')
  return value
}

export function wholeNumber(text: string): number {
  const value = number(text)
  if (!Number.isInteger(value)) throw new InvalidArgumentError('It must be a whole number.')
  return value
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A time such as 30m, in milliseconds. */
export function duration(text: string): number {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)\s*([smhd])$/.exec(text) ?? []
  if (amount === undefined) throw new InvalidArgumentError('It must be a time such as 30m, 2h or 1d.')
  return Math.round(Number(amount) * (units[unit] ?? 0))
}

/** The JSON object in the file at this path. */
export function jsonFile<T extends object>(path: string): T {
  try {
    return JSON.parse(textOf(readFileSync(path))) as T
  } catch (error) {
    throw new InvalidArgumentError(`${path}: ${messageOf(error)}`)
  }
}

/** JSON; a text that is none stands for itself. */
export function jsonOrText(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return text
  }
}

/** The id of a task that there may be. */
export function taskId(text: string): string {
  if (isTaskId(text)) return text
  throw new InvalidArgumentError(
    `An id has letters, digits and . _ : - and at most ${MAX_TASK_ID_CHARS} of them; flotilla ps --all lists those of tasks.`,
  )
}
