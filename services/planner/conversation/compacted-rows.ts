// The rows of a conversation's steps, made shorter: outputs cut, steps replaced by one text.
import { boundedText } from '../../../runtime/text/bounded-text.ts'
import type { Message } from '../call.ts'
import { messagesBytes } from './context-size.ts'
import { withoutThinking } from '../code/blocks.ts'
import { leftOutNote, summaryNote } from '../prompts/compaction.ts'
import { markedAsData, truncated } from '../prompts/replies.ts'
import { put, type OtherRows, type RowChanges, type Step } from '../rows.ts'

export interface Shorter {
  readonly rows: RowChanges
  /** Bytes of the conversation that are gone. */
  readonly bytes: number
}

/** Messages of a step, or those that stand for the steps through it. */
function messagesOf(rows: OtherRows, step: number): Message[] {
  const said = rows[`said:${step}`]
  return [...(said ? [said] : []), ...(rows[`heard:${step}`] ?? [])]
}

/** Bytes of the steps, and of what stands for those before them. */
export function stepBytes(rows: OtherRows, from: number, through: number): number {
  let bytes = 0
  for (let step = Math.max(1, from - 1); step <= through; step++)
    if (step >= from || !rows[`said:${step}`]) bytes += messagesBytes(messagesOf(rows, step))
  return bytes
}

/** Cuts what the model was told after these steps to so many characters each. */
export function cutOutputs(rows: OtherRows, from: number, through: number, chars: number): Shorter {
  const changes: RowChanges = {}
  let bytes = 0
  for (let step = from; step <= through; step++) {
    const heard = rows[`heard:${step}`]
    if (!heard?.some(({ content }) => (content?.length ?? 0) > chars)) continue
    const cut = heard.map((message): Message => ({ ...message, content: cutText(message.content, chars) }))
    bytes += messagesBytes(heard) - messagesBytes(cut)
    Object.assign(changes, put(`heard:${step}`, cut))
  }
  return { rows: changes, bytes }
}

/** The marks around what others wrote stay whole. */
function cutText(content: string | null, chars: number): string {
  const text = content ?? ''
  if (text.length <= chars) return text
  const marked = /^<data>\n([^]*)\n<\/data>$/.exec(text)?.[1]
  return marked === undefined ? truncated(text, chars) : `<data>\n${truncated(marked, chars)}\n</data>`
}

/** Deletes the messages of the steps; this text stands for them, and for all before them. */
export function replaceSteps(rows: OtherRows, from: number, through: number, content: string): Shorter {
  const replacement: Message[] = [{ role: 'user', content }]
  const changes: RowChanges = {}
  for (let step = Math.max(1, from - 1); step <= through; step++) {
    if (rows[`said:${step}`]) Object.assign(changes, put(`said:${step}`, null))
    if (rows[`heard:${step}`]) Object.assign(changes, put(`heard:${step}`, null))
  }
  Object.assign(changes, put(`heard:${through}`, replacement))
  return { rows: changes, bytes: stepBytes(rows, from, through) - messagesBytes(replacement) }
}

const LEAST_ENTRY_CHARS = 120

/** The steps as text, in so many characters: long messages are cut first. */
export function transcriptOf(rows: OtherRows, from: number, through: number, mostChars: number): string {
  const entries: string[] = []
  for (let step = Math.max(1, from - 1); step <= through; step++)
    for (const message of messagesOf(rows, step)) {
      const turn = step < from ? 'Notes on the turns before' : `Turn ${step}`
      entries.push(
        `${turn}, ${message.role === 'assistant' ? 'the agent' : 'what it was told'}:\n${textOf(message)}`,
      )
    }
  const each = Math.max(LEAST_ENTRY_CHARS, Math.floor(mostChars / Math.max(1, entries.length)))
  const whole = entries.join('\n\n')
  if (whole.length <= mostChars) return whole
  return truncated(entries.map((entry) => truncated(entry, each)).join('\n\n'), mostChars)
}

function textOf(message: Message): string {
  const calls = message.role === 'assistant' ? (message.tool_calls ?? []) : []
  const asked = calls.map(({ function: { name, arguments: given } }) => `(called ${name} with ${given})`)
  return [message.content ?? '', ...asked].filter((part) => part !== '').join('\n')
}

export interface SummaryPlace {
  readonly rows: OtherRows
  readonly from: number
  readonly throughStep: number
  /** A tool of the task reads what others wrote, so the summary may repeat it. */
  readonly isUntrusted: boolean
  readonly mostChars: number
}

/** The note with the summary; or why it can't be used. */
export function summaryOf(
  text: string,
  { rows, from, throughStep, isUntrusted, mostChars }: SummaryPlace,
): { note: string; summary: string } | { why: string } {
  const summary = truncated(withoutThinking(text), Math.max(LEAST_ENTRY_CHARS, mostChars))
  if (summary.trim() === '') return { why: 'the summary was empty' }
  const note = summaryNote(throughStep, isUntrusted ? markedAsData(summary) : summary)
  const isShorter = messagesBytes([{ role: 'user', content: note }]) < stepBytes(rows, from, throughStep)
  return isShorter ? { note, summary } : { why: 'the summary was longer than what it replaces' }
}

const MOST_LINES = 30
const LINE_CHARS = 160
const NOTES_CHARS = 2_000

/** A line for each of the last steps, after what stood for those before them. */
export function leftOut(rows: OtherRows, from: number, through: number): string {
  const notes = rows[`heard:${from - 1}`]?.[0]?.content ?? ''
  const earlier = from > 1 && notes !== '' ? [truncated(notes, NOTES_CHARS)] : []
  const lines: string[] = []
  for (let step = Math.max(from, through - MOST_LINES + 1); step <= through; step++) {
    const row = rows[`step:${step}`]
    if (row) lines.push(lineOf(row))
  }
  const most = Math.max(LINE_CHARS, Math.floor(stepBytes(rows, from, through) / 2))
  return truncated(leftOutNote(through, [...earlier, ...lines].join('\n')), most)
}

function lineOf({ step, kind, toolCalls, error, code, text }: Step): string {
  const calls = toolCalls.map((call) => `${call.tool}(${JSON.stringify(call.arguments)}) ${call.status}`)
  const what = calls.length > 0 ? calls.join('; ') : (code ?? text)
  const ended = error === null ? '' : ` (${error.code})`
  return boundedText(`turn ${step}, ${kind}${ended}: ${what.replaceAll(/\s+/g, ' ')}`, LINE_CHARS)
}
