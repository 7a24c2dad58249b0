// How the command speaks: results on stdout, everything else on stderr; colour only where a person looks.
import { styleText } from 'node:util'
import { describe } from '../runtime/host/run.ts'
import type { TaskResult } from '../client/types.ts'

type Style = Parameters<typeof styleText>[0]

export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stderr })
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value))
}

/** Ends the command with 1 and a message that says what to do. */
export function fail(error: unknown): void {
  say(paint('red', describe(error)))
  process.exit(1)
}

/** 0 succeeded, 1 failed, 2 rejected, 3 cancelled, 4 timed out. */
export function exitCode(status: TaskResult['status']): number {
  return { succeeded: 0, failed: 1, rejected: 2, cancelled: 3, timed_out: 4 }[status]
}

export const exitCodeHelp = 'Exit code: 0 succeeded, 1 failed, 2 rejected, 3 cancelled, 4 timed out.'
