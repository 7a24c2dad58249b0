// An event of a task as one line: when, where, what, and what matters of the rest.
import type { StreamedEvent } from '../../client/types.ts'
import { paint } from './output.ts'
import { shorten } from './render.ts'
import { count, elapsed, moment, money } from './units.ts'

type Fields = Readonly<Record<string, unknown>>

/** As long as the longest name of a stage. */
const STAGE_WIDTH = 13
const PYTHON_CHARS = 80
const ENDED_BADLY: ReadonlySet<unknown> = new Set(['failed', 'rejected', 'timed_out', 'unknown'])

/** Null: the line would say nothing that others do not. */
export function eventLine(event: StreamedEvent, withTask: boolean): string | null {
  const fields: Fields = { ...event }
  const { type, taskId, stage, atMs, step } = fields
  if (type === 'events.lost') return paint('yellow', `events lost: ${String(fields['reason'])}`)
  if (typeof atMs !== 'number' || typeof stage !== 'string') return null
  const parts = [
    paint('dim', moment(atMs)),
    ...(withTask ? [String(taskId)] : []),
    paint('dim', stage.padEnd(STAGE_WIDTH)),
    typeof step === 'number' ? `step ${step} ${event.type}` : event.type,
  ]
  const detail = detailOf(fields)
  return [...parts, ...(detail === '' ? [] : [paint(isTrouble(fields) ? 'yellow' : 'dim', detail)])].join(
    '  ',
  )
}

const isTrouble = ({ type, status, code }: Fields): boolean =>
  ENDED_BADLY.has(status) || (type !== 'code' && typeof code === 'string' && code !== '')

/** The code of an error; of a step of Python its beginning; --json has the whole. */
const codeOf = ({ type, code }: Fields): unknown =>
  type === 'code' ? shorten(String(code), PYTHON_CHARS) : code

function detailOf(fields: Fields): string {
  const { model, tool, from, to, inputTokens, outputTokens, cost, durationMs, waiting } = fields
  const tokens =
    typeof inputTokens === 'number' && typeof outputTokens === 'number'
      ? `${count(inputTokens)} + ${count(outputTokens)} tokens`
      : null
  const parts = [
    ...[model, tool, from, to === undefined ? null : `→ ${String(to)}`],
    ...['agent', 'child', 'why', 'by', 'outcome', 'status'].map((name) => fields[name]),
    codeOf(fields),
    fields['message'],
    typeof waiting === 'number' ? `${count(waiting)} before it` : null,
    tokens,
    typeof cost === 'number' ? money(cost) : null,
    typeof durationMs === 'number' ? elapsed(durationMs) : null,
  ]
  return parts
    .filter((part): part is string => typeof part === 'string' && part !== '')
    .join(' ')
    .replaceAll(/\s+/g, ' ')
}
