// Words that make a native reader stumble, or that hide the field's own term.
import type { TextFile } from './tree.ts'

/** Word → words to write instead. */
const forbidden: Readonly<Record<string, string>> = {
  mended: 'fixed',
  anew: 'again, from scratch or re-created',
  'for ever': 'forever',
  whoever: 'the caller, the client or anyone who',
  company: 'a batch, or others',
  befell: 'happened to',
}

/**
 * Decision records keep the words of their day; docs/events.md is generated from schemas, which are released; Python of the
 * sandbox is built into its interpreter.
 */
const ours = /^(services|runtime|client|cli|operator|docs)\/|^(README|ARCHITECTURE)\.md$/
const released = /^docs\/(adr\/|events\.md$)|\.py$/

/** Between letters of one case only, so that `COMPANY_MS` is found too. */
const patterns = Object.entries(forbidden).map(([word, better]) => ({
  pattern: new RegExp(`(?<![a-z])${word.replace(' ', '\\s')}(?![a-z])`, 'i'),
  advice: `says "${word}"; write ${better}`,
}))

interface Line {
  readonly path: string
  readonly number: number
  readonly text: string
  /** With the lines around it, since prose is wrapped. */
  readonly around: string
}

const linesOf = (files: readonly TextFile[]): Line[] =>
  files
    .filter(({ path }) => ours.test(path) && !released.test(path))
    .flatMap(({ path, text }) => {
      const all = text.split('\n')
      return all.map((line, index) => ({
        path,
        number: index + 1,
        text: line,
        around: all.slice(Math.max(0, index - 1), index + 2).join(' '),
      }))
    })

export function forbiddenWords(files: readonly TextFile[]): string[] {
  return linesOf(files).flatMap(({ path, number, text }) =>
    patterns.filter(({ pattern }) => pattern.test(text)).map(({ advice }) => `${path}:${number} ${advice}`),
  )
}

/** A doc comment begins with the noun or verb that its identifier means. */
export function commentBeginnings(files: readonly TextFile[]): string[] {
  return linesOf(files)
    .filter(
      ({ text, around }) => /\/\*\* Of\b/.test(text) || (/^\s*\* Of\b/.test(text) && around.includes('/**')),
    )
    .map(({ path, number }) => `${path}:${number} begins with "Of"; begin with the noun that it means`)
}

/** People and models are told things: a sentence that names one of them may say so. */
const listener = /\b(models?|agents?|person|people|users?|operators?|somebody|nobody)\b/i

/** The row of an alert has a field `told`, on logs that exist: it keeps its name in code, not in prose. */
const alertField = /^services\/alerting\//
const asField = /\.told\b|'told'|\btold(?=[:,]| \}| \|\|)/g

const isCode = ({ path, text }: Line): boolean =>
  /\.(ts|mjs|js|py)$/.test(path) && !/^\s*(\/\/|\/?\*|#)/.test(text)

/** Code without its strings and trailing comment: there `told` is a name, and names are nouns or verbs. */
const withoutStrings = (text: string): string =>
  text.replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g, "''").replace(/\/\/.*$/, '')

/** Channels are notified, processes learn, events report: nothing else is told. */
export function toldWhom(files: readonly TextFile[]): string[] {
  return linesOf(files)
    .filter(({ text }) => /\btold\b/i.test(text))
    .filter((line) => {
      const text = alertField.test(line.path) && isCode(line) ? line.text.replace(asField, '') : line.text
      if (!/\btold\b/i.test(text)) return false
      return (isCode(line) && /\btold\b/.test(withoutStrings(text))) || !listener.test(line.around)
    })
    .map(
      ({ path, number }) =>
        `${path}:${number} says "told"; channels are notified, processes learn, events report (only people and models are told)`,
    )
}
