// The one place that runs RE2: regular expressions of schemas, in time that grows with the text and not with the
// ways to match it. RE2 has no look-around and no back-references, and bounds the product of nested repetitions.
import { RE2JS } from 're2js'
import type { ToolSpec } from '../config/fleet.ts'
import type { PatternEngine } from '../config/json-schema/compile.ts'
import { messageOf } from '../errors.ts'
import { inParts } from './pattern-repetitions.ts'
import { asRe2, isEcmaPattern } from './pattern-syntax.ts'

const SHOWN_CHARS = 100

/** Throws for a pattern that RE2 refuses, naming it. Takes JavaScript's syntax (`\\u0041`, `(?<name>…)`). */
export const linearPatterns: PatternEngine = (pattern) =>
  runBy(pattern, compile(pattern, { written: isEcmaPattern(pattern, 'u') ? inParts(pattern) : pattern }))

const runBy = (pattern: string, compiled: RE2JS): ReturnType<PatternEngine> => ({
  test: (text) => compiled.test(text),
  toString: () => pattern,
})

/**
 * For schemas of the configuration, whose texts are a model's or a client's: what RE2 refuses runs on V8's engine.
 * Throws for a pattern that neither takes.
 */
export const ownPatterns: PatternEngine = (pattern) => {
  try {
    return runBy(pattern, compile(pattern))
  } catch {
    return new RegExp(pattern, 'u')
  }
}

const searches = new Map<string, (text: string) => string | null>()

/**
 * Finds a pattern of the configuration in a text that somebody else wrote, and returns what matches; null if nothing
 * does. It means what it means to RegExp: with the flag `u` if it is one with it, else without. In linear time, but
 * for what only RegExp without that flag takes, and what RE2 refuses. Throws for what RegExp refuses. Kept: call it
 * with patterns of the configuration only.
 */
export function searchFor(source: string, flags: '' | 'i' = ''): (text: string) => string | null {
  const key = `${flags}/${source}`
  const search = searches.get(key) ?? newSearch(source, flags)
  searches.set(key, search)
  return search
}

function newSearch(source: string, flags: '' | 'i'): (text: string) => string | null {
  const known = source.replaceAll(NEEDLESS_ESCAPE, asCode)
  if (!isEcmaPattern(known, 'u')) return searchBy(new RegExp(source, flags))
  try {
    const compiled = compile(known, { flags: flags === 'i' ? RE2JS.CASE_INSENSITIVE : 0 })
    return (text) => {
      const matcher = compiled.matcher(text)
      return matcher.find() ? (matcher.group() ?? '') : null
    }
  } catch {
    return searchBy(new RegExp(known, `u${flags}`))
  }
}

const searchBy = (pattern: RegExp) => (text: string) => pattern.exec(text)?.[0] ?? null

/** An escape that means the character itself, which the flag `u` refuses; or one that is needed. */
const NEEDLESS_ESCAPE = /\\([\s\S])/g

const asCode = (escape: string, [character = '']: string): string =>
  /[ -~]/.test(character) && !/[\dA-Za-z^$\\.*+?()[\]{}|/]/.test(character)
    ? String.raw`\x${character.charCodeAt(0).toString(16)}`
    : escape

/** How patterns in a tool's schemas run: those of an MCP server are not its operator's, and RE2's only. */
export const patternsOf = ({ source }: Pick<ToolSpec, 'source'>): { patterns: PatternEngine } => ({
  patterns: source === undefined ? ownPatterns : linearPatterns,
})

function compile(pattern: string, { written = pattern, flags = 0 } = {}): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(asRe2(written)), flags)
  } catch (error) {
    const shown = pattern.length > SHOWN_CHARS ? `${pattern.slice(0, SHOWN_CHARS)}…` : pattern
    const why = messageOf(error)
    throw new Error(
      `the pattern ${JSON.stringify(shown)} can't be used (${why}): patterns of schemas from outside are RE2's, without ` +
        'look-around, back-references, and repetitions of a group above 1,000',
      { cause: error },
    )
  }
}
