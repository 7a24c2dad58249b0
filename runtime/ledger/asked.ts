// What a task was asked, as the ledger keeps it: enough to recognise the task, and a repeated submission.
import { hash } from 'node:crypto'
import { shortened } from '../text/bounded-text.ts'

/** A result repeats this many characters of a task's text (services/router/events.ts). */
const COMPARED_CHARS = 10_000
const HASH_DIGITS = 32
const START_CHARS = 100

export interface Asked {
  readonly text_start: string
  readonly text_hash: string
}

/** The text with one space for what is not shown: blanks, line ends, control characters, lone surrogates. */
export const oneLine = (text: string): string => text.replaceAll(/[\s\p{Cc}\p{Cs}]+/gu, ' ')

export function askedOf(text: string): Asked {
  const compared = text.trim().slice(0, COMPARED_CHARS).trim()
  const line = oneLine(text.slice(0, 4 * START_CHARS)).trim()
  const text_hash = hash('sha256', compared).slice(0, HASH_DIGITS)
  return { text_start: shortened(line, START_CHARS), text_hash }
}
