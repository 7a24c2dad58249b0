// A log entry as a line for people: on a terminal, JSON between the command's own lines can't be read.
import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

const styles: Readonly<Record<string, Style>> = {
  fatal: 'red',
  error: 'red',
  warn: 'yellow',
  info: 'cyan',
  debug: 'dim',
  trace: 'dim',
}

/** Names that every entry has, and those that the line shows in another way. */
const shownElsewhere = new Set(['level', 'time', 'service', 'msg', 'err'])

/** `json` is one entry of pino. The line ends with a newline; a stack follows only where the level is error or worse. */
export function logLine(json: string): string {
  const { level, time, msg = '', err, ...fields } = JSON.parse(json) as Record<string, unknown>
  const name = String(level)
  const mark = styleText(styles[name] ?? 'dim', name.padEnd(5), { stream: process.stderr })
  const rest = Object.entries(fields)
    .filter(([key]) => !shownElsewhere.has(key))
    .map(
      ([key, value]) =>
        `${key}=${typeof value === 'string' && /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value)}`,
    )
  const parts = [`${clockOf(time)} ${mark} ${String(msg)}${reasonOf(err)}`, ...rest]
  const stack = name === 'error' || name === 'fatal' ? stackOf(err) : ''
  return `${printable(parts.join('  '))}${stack}\n`
}

const clockOf = (time: unknown): string => (typeof time === 'string' ? time.slice(11, 19) : '')

interface Logged {
  readonly code?: unknown
  readonly message?: unknown
  readonly stack?: unknown
}

function reasonOf(err: unknown): string {
  if (typeof err !== 'object' || err === null) return ''
  const { code, message } = err as Logged
  return `: ${[code, message].filter((part) => typeof part === 'string' && part !== '').join(': ')}`
}

function stackOf(err: unknown): string {
  const stack = (err as Logged | undefined)?.stack
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : []
  return frames.map((line) => `\n    ${printable(line.trim())}`).join('')
}

/** One line, and nothing in it that would control the terminal, except our own colours. */
const printable = (text: string): string =>
  text.replaceAll(
    /(\u001b\[(?:2|22|3[1-6]|39)m)|[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu,
    (sign, ours) => (ours === undefined ? (sign === '\n' || sign === '\t' ? ' ' : '\ufffd') : sign),
  )
