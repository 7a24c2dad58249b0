// Scorers that compare texts.
import { linearPatterns } from '../../runtime/foreign-schema/patterns.ts'
import { shortened } from '../../runtime/text/bounded-text.ts'
import type { Json } from '../../schemas/json.ts'
import { textOf, type Score } from '../cases.ts'
import type { SpecOf } from './specs.ts'

const SHOWN_CHARS = 120

export const right: Score = { score: 1, reason: null }
export const wrong = (reason: string): Score => ({ score: 0, reason })
export const scoreIf = (isRight: boolean, reason: () => string): Score => (isRight ? right : wrong(reason()))

export const shownText = (text: string): string => JSON.stringify(shortened(text, SHOWN_CHARS))

export function exact(text: string, expected: Json): Score {
  const wanted = textOf(expected)
  return scoreIf(text === wanted, () => `it is ${shownText(text)}, not ${shownText(wanted)}`)
}

/** Case, white space, form of characters, enclosing quotes and final punctuation say nothing. */
export function normalised(text: string, expected: Json): Score {
  const [found, wanted] = [normalForm(text), normalForm(textOf(expected))]
  return scoreIf(found === wanted, () => `it is ${shownText(found)}, not ${shownText(wanted)}`)
}

const MARKS = new Set([...'"\'“”‘’`*_ '])
const ENDS = new Set([...MARKS, ...'.!?…。'])

/** Idempotent. */
export function normalForm(text: string): string {
  const form = [...text.normalize('NFKC').toLowerCase().normalize('NFKC').replaceAll(/\s+/gu, ' ')]
  let [from, to] = [0, form.length]
  while (from < to && MARKS.has(form[from] ?? '')) from += 1
  while (to > from && ENDS.has(form[to - 1] ?? '')) to -= 1
  return form.slice(from, to).join('')
}

export function contains(text: string, expected: Json | undefined, spec: SpecOf<'contains'>): Score {
  const wanted = [spec.value ?? textOf(expected ?? null)].flat()
  const fold = (each: string): string => (spec.ignoreCase ? each.toLowerCase() : each)
  const missing = wanted.filter((each) => !fold(text).includes(fold(each)))
  const reason = `it does not contain ${missing.map(shownText).join(', ')}`
  return {
    score: (wanted.length - missing.length) / wanted.length,
    reason: missing.length === 0 ? null : reason,
  }
}

export const patternOf = ({ pattern, ignoreCase }: SpecOf<'regex'>): string =>
  ignoreCase ? `(?i)${pattern}` : pattern

export function regex(text: string, spec: SpecOf<'regex'>): Score {
  return scoreIf(linearPatterns(patternOf(spec)).test(text), () => `it does not match ${spec.pattern}`)
}
