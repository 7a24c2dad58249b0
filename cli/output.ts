// How the command speaks: results on stdout, everything else on stderr; colour only where a person looks.
import { writeSync } from 'node:fs'
import { stripVTControlCharacters, styleText } from 'node:util'
import { describe } from '../runtime/errors.ts'
import { redacted, redactedJson } from '../runtime/redaction.ts'
import type { TaskResult } from '../client/types.ts'

type Style = Parameters<typeof styleText>[0]

/** Always coloured: `say` and `print` take the colours out where their stream shows none. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}

/** Heeds NO_COLOR, FORCE_COLOR and whether a terminal is there. */
function line(stream: NodeJS.WriteStream, text: string): string {
  const coloured = styleText('red', ' ', { stream }) !== ' '
  return `${redacted(coloured ? text : stripVTControlCharacters(text))}\n`
}

const STDOUT = 1
const FULL_PIPE_MS = 2
const waiter = new Int32Array(new SharedArrayBuffer(4))

/** Returns when all of it is written: commands end with process.exit, which drops what a stream still holds for a slow pipe. */
function writeResult(text: string): void {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(STDOUT, bytes, at)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Its reader has gone, as with head(1).
      if (code === 'EPIPE') process.exit(0)
      if (code !== 'EAGAIN') throw error
      Atomics.wait(waiter, 0, 0, FULL_PIPE_MS)
    }
  }
}

export function say(text: string): void {
  process.stderr.write(line(process.stderr, text))
}

export function print(text: string): void {
  writeResult(line(process.stdout, text))
}

export function printJson(value: unknown): void {
  writeResult(`${JSON.stringify(redactedJson(value))}\n`)
}

/** Ends the command with 1 and a message that says what to do. */
export function fail(error: unknown): void {
  const [first = '', ...rest] = describe(error).split('\n')
  say([paint('red', first), ...rest].join('\n'))
  process.exit(1)
}

/** 0 succeeded, 1 failed, 2 rejected, 3 cancelled, 4 timed out. */
export function exitCode(status: TaskResult['status']): number {
  return { succeeded: 0, failed: 1, rejected: 2, cancelled: 3, timed_out: 4 }[status]
}

export const exitCodeHelp = 'Exit code: 0 succeeded, 1 failed, 2 rejected, 3 cancelled, 4 timed out.'

/** Lines of a table, the header first: the first column to the left, figures to the right. */
export function aligned(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const lines = [header, ...rows]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => [...(line[column] ?? '')].length)))
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
  return lines.map((line) => line.map(pad).join('  '))
}
