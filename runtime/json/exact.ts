// JSON from outside without loss. JSON.parse rounds whole numbers beyond 2^53 (ids of 64 bits, amounts in the
// smallest unit) and makes Infinity, later null, of 1e999.
//
// 1. A number whose whole part a double can't hold is its digits, as text. Any other number is a number.
// 2. A value that parseExact and JSON.stringify wrote is read as the same value, by JSON.parse and by
//    parseExact.
import type { Json } from '../../schemas/json.ts'

const SHOWN_NUMBERS = 3
const SHOWN_DIGITS = 40
/**
 * Texts without such a run, where a number can begin, hold none that could be inexact. Ids in hexadecimal are full of
 * digits around an e, so a run alone would send most texts the slow way.
 */
const SUSPECT = /(?:^|[[:,\s])-?(?:\d[\d.]{15}|\d[\d.]*[eE][+-]?\d)/

/** JSON.parse as Node has it; TypeScript's own declaration lacks the source of a number. */
const parseWithSource = JSON.parse as (
  text: string,
  revive: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
) => unknown

const mayBeInexact = (text: string): boolean => SUSPECT.test(text)

/** The value; throws SyntaxError if the text is not JSON. */
export function parseExact(text: string): Json {
  const value = JSON.parse(text) as Json
  if (!hasDoubtful(value, text) || !mayBeInexact(text)) return value
  try {
    return parseWithSource(text, (_name, value, { source }) =>
      isLossy(value, source) ? source : value,
    ) as Json
  } catch (error) {
    // Nested so deep that it overflows the stack: refused for its depth by code that would walk it.
    if (error instanceof RangeError) return value
    throw error
  }
}

/** Whether a number in it may be another than the text had: zero, or beyond what a double holds exactly. */
function hasDoubtful(value: Json, text: string): boolean {
  if (typeof value !== 'object') return isDoubtful(value, text)
  const left: Json[] = []
  for (let next: Json | undefined = value; next !== undefined; next = left.pop()) {
    if (Array.isArray(next)) {
      for (const part of next)
        if (typeof part === 'object') left.push(part)
        else if (isDoubtful(part, text)) return true
    } else {
      const parts = next as { readonly [name: string]: Json }
      for (const name in parts) {
        const part = parts[name] as Json
        if (typeof part === 'object') left.push(part)
        else if (isDoubtful(part, text)) return true
      }
    }
  }
  return false
}

/** A number can be zero for being too small only if the text has an exponent or many zeros. */
const isDoubtful = (value: Json, text: string): boolean =>
  typeof value === 'number' &&
  (value === 0
    ? text.includes('e-') || text.includes('E-') || text.includes('0000000000000000')
    : !(Math.abs(value) <= Number.MAX_SAFE_INTEGER))

/** Explains to a model why numbers of this text may not fit a schema that wants numbers; empty if they do. */
export function inexactNumbersHint(text: string): string {
  const found: string[] = []
  if (mayBeInexact(text))
    parseWithSource(text, (_name, value, { source }) => {
      if (isLossy(value, source) && found.length < SHOWN_NUMBERS) found.push(source ?? '')
      return value
    })
  return hintOf(found)
}

/** The same for a value whose numbers have become text already, as Python's large integers do. */
export function inexactTextsHint(value: Json): string {
  const found: string[] = []
  const left: Json[] = [value]
  for (let next = left.pop(); next !== undefined && found.length < SHOWN_NUMBERS; next = left.pop()) {
    if (typeof next === 'string' && /^-?\d{16,}$/.test(next) && !Number.isSafeInteger(Number(next)))
      found.push(next)
    else if (typeof next === 'object' && next !== null)
      for (const child of Object.values(next)) left.push(child)
  }
  return hintOf(found)
}

function hintOf(found: readonly string[]): string {
  if (found.length === 0) return ''
  const shown = found.slice(0, SHOWN_NUMBERS).map((source) => source.slice(0, SHOWN_DIGITS))
  return ` (${shown.join(', ')}: more than a number holds exactly, so it is read as text; only a string can take it)`
}

const isLossy = (value: unknown, source: string | undefined): boolean =>
  typeof value === 'number' && source !== undefined && !isExact(value, source)

/** Whether a double has the source's digits. Of fractions only the whole part counts: they are measured. */
function isExact(value: number, source: string): boolean {
  if (!Number.isFinite(value)) return false
  if (value === 0) return !/[1-9]/.test(source.replace(/e.*/i, ''))
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER || digits(String(value)) === digits(source)
}

/** Sign, digits without zeros around them, and the place of the point: the same for 1e2, 100 and 100.0. */
function digits(numeral: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(numeral) ?? []
  const all = `${whole}${fraction}`
  const significant = all.replace(/^0+/, '')
  const point = whole.length + Number(exponent) - (all.length - significant.length)
  // A pattern for zeros at the end would search each run of zeros from each of its zeros.
  let end = significant.length
  while (significant[end - 1] === '0') end--
  return `${sign}${significant.slice(0, end)}e${point}`
}
