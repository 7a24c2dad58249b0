// Where a setting stands in the text of flotilla.config.ts. The text is only scanned: what is built by code, or
// comes from another file, is placed at the nearest setting that is written there. Never throws.
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Place {
  readonly path: string
  /** From 1. */
  readonly line: number
  readonly column: number
}

const root = new URL('../../..', import.meta.url).href

/** Where an error was thrown: the innermost line of the user's own files, not of Flotilla or of packages. */
export function thrownPlace(error: unknown): Place | null {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  for (const [, url = '', line, column] of stack.matchAll(/(file:\/\/\S+?):(\d+):(\d+)/g))
    if (!url.includes('/node_modules/') && !isOwn(url))
      return { path: fileURLToPath(url), line: Number(line), column: Number(column) }
  return null
}

const isOwn = (url: string): boolean =>
  url.startsWith(root) && /^(runtime|services|cli|client|\.cache\/command)\//.test(url.slice(root.length))

/** `flotilla.config.ts:4:10`, for messages. */
export function placeIn(path: string, text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n')
  return `${shownPath(path)}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`
}

/** As short as people type it: relative, if it is below the working directory. */
export function shownPath(path: string): string {
  const below = relative(process.cwd(), path)
  return below === '' || below.startsWith('..') ? path : below
}

/** Finds the place of a setting such as `agents.clerk.mode`; null for a source that is no file. */
export function placesOf(source: string): (setting: string) => string | null {
  if (!source.startsWith('file:')) return () => null
  const path = fileURLToPath(source)
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return () => null
  }
  const start = /export\s+default\s+(?:[\w.]+\s*\(\s*)?\{/.exec(text)
  if (!start) return () => null
  const tokens = tokensOf(text, start.index + start[0].length - 1)
  return (setting) => placeIn(path, text, offsetOf(tokens, setting) ?? start.index)
}

interface Token {
  readonly text: string
  readonly at: number
  /** Brackets around it. */
  readonly depth: number
}

/** Strings with their quotes, words, and single signs; comments are left out. */
const TOKEN = /\/\/.*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|[\w$]+|\S/g

/** The tokens from this bracket to the one that closes it. */
function tokensOf(text: string, from: number): Token[] {
  const tokens: Token[] = []
  let depth = 0
  for (const match of text.slice(from).matchAll(TOKEN)) {
    const token = match[0]
    if (token.startsWith('//') || token.startsWith('/*')) continue
    if ('}])'.includes(token)) depth--
    tokens.push({ text: token, at: from + match.index, depth })
    if ('{[('.includes(token)) depth++
    if (depth === 0) break
  }
  return tokens
}

/** Offset of the innermost part of the path that is written in the object or list that begins with the tokens. */
function offsetOf(tokens: readonly Token[], path: string): number | null {
  const entry = entriesOf(tokens).find(({ key }) => path === key || path.startsWith(`${key}.`))
  if (!entry) return null
  const rest = path.slice(entry.key.length + 1)
  return (rest === '' ? null : offsetOf(entry.value, rest)) ?? entry.at
}

interface Entry {
  readonly key: string
  readonly at: number
  readonly value: readonly Token[]
}

/** Properties of an object, or items of a list by their index. */
function entriesOf([open, ...inner]: readonly Token[]): Entry[] {
  if (open?.text !== '{' && open?.text !== '[') return []
  const parts: Token[][] = [[]]
  for (const token of inner)
    if (token.depth === open.depth + 1 && token.text === ',') parts.push([])
    else if (token.depth > open.depth) parts.at(-1)?.push(token)
  return parts.flatMap((part, index): Entry[] => {
    const [key, colon, ...value] = part
    if (key === undefined) return []
    if (open.text === '[') return [{ key: String(index), at: key.at, value: part }]
    return [
      { key: key.text.replaceAll(/^['"]|['"]$/g, ''), at: key.at, value: colon?.text === ':' ? value : [] },
    ]
  })
}
