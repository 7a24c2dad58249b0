// Scorers that compare values: JSON and numbers.
import { isDeeperThan, MAX_JSON_DEPTH } from '../../runtime/json/depth.ts'
import { parseExact } from '../../runtime/json/exact.ts'
import { plural } from '../../runtime/text/quantities.ts'
import type { Json } from '../../schemas/json.ts'
import { numberIn, type SpecOf } from './specs.ts'
import { scoreIf, shownText, wrong } from './text.ts'
import { textOf, type Score } from '../cases.ts'

/** A text that is JSON, whole or in a fenced block, is read as its value. Undefined: it is no JSON. */
export function jsonIn(output: Json): Json | undefined {
  if (typeof output !== 'string') return output
  for (const text of [output, fencedIn(output)])
    try {
      if (text !== undefined) return parseExact(text.trim())
    } catch {
      // No JSON: the next one may be.
    }
  return undefined
}

const FENCE = '```'

/** What is in the first fenced block. */
function fencedIn(text: string): string | undefined {
  const open = text.indexOf(FENCE)
  const line = open < 0 ? -1 : text.indexOf('\n', open)
  const close = line < 0 ? -1 : text.indexOf(FENCE, line)
  return close < 0 ? undefined : text.slice(line, close)
}

/** Equal as JSON: the order of names says nothing, that of lists does. */
export function json(output: Json, expected: Json): Score {
  return compared(output, expected, (found, wanted) => differenceIn(found, wanted, 'value', false))
}

/** Every part of `expected` is in the output; objects of it may have more names, lists not more entries. */
export function jsonSubset(output: Json, expected: Json): Score {
  return compared(output, expected, (found, wanted) => differenceIn(found, wanted, 'value', true))
}

function compared(
  output: Json,
  expected: Json,
  compare: (found: Json, wanted: Json) => string | null,
): Score {
  const found = jsonIn(output)
  // A text is expected as a text, unless it is JSON, as in a cell of a CSV file.
  const wanted = typeof expected === 'string' ? (jsonIn(expected) ?? expected) : expected
  if (found === undefined) {
    if (typeof wanted !== 'string') return wrong(`it is no JSON: ${shownText(textOf(output))}`)
    return compareBounded(output, wanted, compare)
  }
  return compareBounded(found, wanted, compare)
}

function compareBounded(
  found: Json,
  wanted: Json,
  compare: (found: Json, wanted: Json) => string | null,
): Score {
  if (isDeeperThan(found, MAX_JSON_DEPTH)) return wrong(`it is nested more than ${MAX_JSON_DEPTH} deep`)
  const difference = compare(found, wanted)
  return scoreIf(difference === null, () => difference ?? '')
}

/** The first difference; null if there is none. */
function differenceIn(found: Json, wanted: Json, at: string, isSubset: boolean): string | null {
  if (Array.isArray(wanted)) return differenceInList(found, wanted, at, isSubset)
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof found !== 'object' || found === null || Array.isArray(found)) return unlike(at, found, wanted)
    for (const [name, value] of Object.entries(wanted)) {
      if (!Object.hasOwn(found, name)) return `${at}.${name} is missing`
      const difference = differenceIn(found[name] as Json, value as Json, `${at}.${name}`, isSubset)
      if (difference !== null) return difference
    }
    const more = isSubset ? undefined : Object.keys(found).find((name) => !Object.hasOwn(wanted, name))
    return more === undefined ? null : `${at}.${more} is one too many`
  }
  return found === wanted ? null : unlike(at, found, wanted)
}

function differenceInList(
  found: Json,
  wanted: readonly Json[],
  at: string,
  isSubset: boolean,
): string | null {
  if (!Array.isArray(found)) return unlike(at, found, wanted as Json)
  if (found.length !== wanted.length)
    return `${at} has ${plural(found.length, 'entry', 'entries')}, ${wanted.length} expected`
  for (const [index, value] of wanted.entries()) {
    const difference = differenceIn(found[index] as Json, value, `${at}[${index}]`, isSubset)
    if (difference !== null) return difference
  }
  return null
}

const unlike = (at: string, found: Json, wanted: Json): string =>
  `${at} is ${shownText(JSON.stringify(found))}, not ${shownText(JSON.stringify(wanted))}`

/** As Python's math.isclose: relative to the larger of the two. */
const RELATIVE = 1e-9

export function number(output: Json, expected: Json, { absolute = 0, relative }: SpecOf<'number'>): Score {
  const wanted = numberIn(expected)
  const found = typeof output === 'number' ? output : numberAtEnd(textOf(output))
  if (found === null) return wrong(`it has no number: ${shownText(textOf(output))}`)
  const share = relative ?? (absolute > 0 ? 0 : RELATIVE)
  const allowed = Math.max(share * Math.max(Math.abs(wanted), Math.abs(found)), absolute)
  const isClose = found === wanted || Math.abs(found - wanted) <= allowed
  return scoreIf(isClose, () => `it is ${found}, not ${wanted} ± ${Number(allowed.toPrecision(3))}`)
}

const NUMBER = /\d(?:,?\d)*(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const GROUPED = /^\d{1,3}(,\d{3})+(?!\d)(?!,)/

/** The last number of a text: answers name what they compute from before it. `1,234.5` and `−3` are read. */
export function numberAtEnd(text: string): number | null {
  const plain = text.replaceAll('\u2212', '-')
  const last = [...plain.matchAll(NUMBER)].at(-1)
  if (last === undefined) return null
  const [digits] = last
  // `1,2,3` is a list.
  const value = GROUPED.test(digits) ? digits.replaceAll(',', '') : digits.slice(digits.lastIndexOf(',') + 1)
  const isWhole = value.length === digits.replaceAll(',', '').length
  // The dash of a range or a date is no sign.
  const isNegative = isWhole && /(?:^|[^\w)])-$/.test(plain.slice(Math.max(0, last.index - 2), last.index))
  return Number(value) * (isNegative ? -1 : 1)
}
