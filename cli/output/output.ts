// Output of the commands: results on stdout, everything else on stderr; colour only on a terminal. What is
// printed comes from models, tools and other people, so characters that would control the terminal are
// escaped.
import { writeSync } from 'node:fs'
import { stripVTControlCharacters, styleText } from 'node:util'
import { describe, errorTable, FlotillaError, messageOf, type ErrorCode } from '../../runtime/errors.ts'
import { redacted, redactedJson } from '../../runtime/text/redaction.ts'
import { endedEarly } from '../../runtime/config/project/settled-import.ts'
import { exitCodeOf, exitCodes } from '../program/exit-codes.ts'

type Style = Parameters<typeof styleText>[0]

/** Always coloured: `say` and `print` remove the colours if their stream shows none. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}

/** Respects NO_COLOR, FORCE_COLOR and whether the stream is a terminal. */
function line(stream: NodeJS.WriteStream, text: string): string {
  const coloured = styleText('red', ' ', { stream }) !== ' '
  const safe = visible(text)
  return `${redacted(coloured ? safe : stripVTControlCharacters(safe))}\n`
}

const STDOUT = 1
/** Something is on stdout. */
let hasWritten = false
let answersInJson = false
const FULL_PIPE_MS = 2
const waiter = new Int32Array(new SharedArrayBuffer(4))

/**
 * Returns when all of it is written: commands end with process.exit, which drops what a stream still holds
 * for a slow pipe.
 */
export function writeResult(text: string): void {
  const bytes = Buffer.from(text)
  hasWritten = true
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(STDOUT, bytes, at)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') refuseOutput(error as NodeJS.ErrnoException)
      Atomics.wait(waiter, 0, 0, FULL_PIPE_MS)
    }
  }
}

/** Ends the command: a full disk behind `>`, for example, and half of the output would look like all of it. */
export function refuseOutput(error: NodeJS.ErrnoException): never {
  // Its reader has closed the pipe, as head(1) does.
  if (error.code === 'EPIPE') process.exit(exitCodes.success.code)
  say(paint('red', `failed to write the output: ${messageOf(error)}`))
  process.exit(exitCodes.unavailable.code)
}

/**
 * Allowed: colours that `paint` makes, line ends, tabs. Escaped: controls, lone surrogates, direction
 * overrides.
 */
const NOT_VISIBLE =
  /(\u001b\[(?:1|2|22|3[1-6]|39)m|\r?\n|\t)|[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/gu

/** Escapes everything that would control a terminal. */
export function visible(text: string): string {
  return text.replaceAll(NOT_VISIBLE, (character: string, allowed?: string) =>
    allowed === undefined ? escape(character) : allowed.replace('\r', ''),
  )
}

const escape = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}}`

/** JSON escapes the first 32 controls; the others are escaped too, which changes no value. */
const NOT_IN_JSON = /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

export const visibleJson = (json: string): string =>
  json.replaceAll(NOT_IN_JSON, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Progress that nobody reads any more must not end a command that still has a result to give. */
process.stderr.on('error', () => {})

const ownWrite = process.stdout.write.bind(process.stdout)

/** Writes to stdout also where what others print goes to stderr. */
export const writeStdout = (chunk: Uint8Array, done: () => void): void => void ownWrite(chunk, () => done())

/** What code of the user's prints (a configuration, a tool, a data set that is a module) goes to stderr from now on. */
export function keepStdoutForResults(): void {
  process.stdout.write = process.stderr.write.bind(process.stderr)
}

export function say(text: string): void {
  process.stderr.write(line(process.stderr, text))
}

export function print(text: string): void {
  writeResult(line(process.stdout, text))
}

/** For what is shown once, on purpose: a new key. Everything else is redacted. */
export function printSecret(text: string): void {
  writeResult(`${text}\n`)
}

export function printJson(value: unknown): void {
  writeResult(`${visibleJson(JSON.stringify(redactedJson(value)))}\n`)
}

/** From now on a failure is on stdout too, as the HTTP API has it, unless a result is there already. */
export function failInJson(): void {
  answersInJson = true
  let thrown: unknown = null
  process.on('uncaughtExceptionMonitor', (error) => (thrown = error))
  process.on('exit', () => noteEnd(thrown))
}

/** Code of the user's has ended the process, or has thrown where nothing catches it. */
function noteEnd(thrown: unknown): void {
  const early = endedEarly()
  if (early !== null) printFailure('CONFIG_INVALID', thrown === null ? early : messageOf(thrown))
  else if (thrown !== null && process.exitCode) printFailure('INTERNAL', messageOf(thrown))
}

/** Writes the failure for programs: `{"error": {"code", "message", "remedy"}}`. */
export function printFailure(code: ErrorCode, message: string, remedy = errorTable[code].remedy): void {
  if (answersInJson && !hasWritten) printJson({ error: { code, message, remedy } })
}

/** Ends the command with a message, its remedy, and the exit code of the error. */
export function fail(error: unknown): void {
  if (error instanceof FlotillaError) printFailure(error.code, error.message, error.remedy)
  else printFailure('INTERNAL', messageOf(error))
  const [first = '', ...rest] = describe(error).split('\n')
  say([paint('red', first), ...rest].join('\n'))
  process.exit(exitCodeOf(error))
}
