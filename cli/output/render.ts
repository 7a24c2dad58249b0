// Renders a task for people: its steps while they happen, then its result.
import type { TaskResult, TaskStep, ToolCallRecord } from '../../client/types.ts'
import { errorTable } from '../../runtime/errors.ts'
import type { Failure } from '../../schemas/generated/events.ts'
import type { Json } from '../../schemas/json.ts'
import { paint } from './output.ts'
import { plural } from './units.ts'

const MAX_LINE = 160
const MAX_LINES = 14

export function shorten(text: string, limit = MAX_LINE): string {
  return cut(text.replaceAll(/\s+/g, ' ').trim(), limit)
}

const cut = (line: string, limit: number): string =>
  line.length > limit ? `${line.slice(0, limit - 1)}…` : line

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value ?? null)
}

export function block(text: string): string {
  const lines = text.trimEnd().split('\n')
  const shown = lines.slice(0, MAX_LINES).map((line) => `    ${cut(line, MAX_LINE)}`)
  if (lines.length > MAX_LINES) shown.push(`    … ${plural(lines.length - MAX_LINES, 'more line')}`)
  return shown.join('\n')
}

export function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/** The lines that a step prints, once, when the step is complete. */
export function renderStep(step: TaskStep): string {
  const head = `${paint('cyan', `step ${step.step}`)} ${step.kind} ${paint('dim', `${step.model ?? ''} ${seconds(step.durationMs)}`)}`
  const parts = [head]
  if (step.code) parts.push(block(step.code))
  else if (step.text && step.kind !== 'answer') parts.push(block(step.text))
  return [...parts, renderRest(step, new Set())].filter(Boolean).join('\n')
}

/** What follows the model's answer in a step, without calls that were shown. */
export function renderRest(step: TaskStep, shown: ReadonlySet<string>): string {
  const parts = (step.toolCalls ?? []).filter(({ callId }) => !shown.has(callId)).map(renderCall)
  if (step.observation && step.kind === 'code') parts.push(paint('dim', block(step.observation)))
  if (step.error) parts.push(paint('yellow', `    ${step.error.code}: ${shorten(step.error.message)}`))
  return parts.join('\n')
}

/** The task that a call of another agent became. */
const taskOf = (child: unknown): string =>
  typeof child === 'object' && child !== null && 'taskId' in child ? ` task ${String(child.taskId)}` : ''

/** A call of a step, or of the task's history. */
export function renderCall(
  call: Partial<ToolCallRecord> | { readonly [name: string]: Json | undefined },
): string {
  const { tool, status, output, error, durationMs, cached, child } = call
  const reason =
    typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(status)
  const outcome =
    status === 'succeeded'
      ? shorten(output === undefined ? 'ok' : textOf(output), 80)
      : paint('yellow', shorten(reason, 100))
  if (status === 'requested')
    return `    ${paint('magenta', String(tool))}(${shorten(textOf(call.arguments ?? ''), 80)}) had not ended`
  const note = `${cached === true ? ' (cached)' : ''}${taskOf(child)}`
  return `    ${paint('magenta', String(tool))}(${shorten(textOf(call.arguments ?? ''), 80)}) → ${outcome} ${paint('dim', seconds(Number(durationMs ?? 0)) + note)}`
}

export function renderResult(result: TaskResult): string {
  const ok = result.status === 'succeeded'
  const status = paint(ok ? 'green' : 'red', result.status.replace('_', ' '))
  const parts = [`${status} ${renderOutput(result)}`.trimEnd()]
  if (result.error) parts.push(paint('yellow', renderFailure(result.error)))
  return [...parts, renderFacts(result)].join('\n')
}

/** The answer: text as it is, everything else as JSON. */
export function renderOutput({ output }: TaskResult): string {
  if (output === null) return ''
  return typeof output === 'string' ? output : JSON.stringify(output, null, 2)
}

/** What the task used, and whether its answer is one of a language model. */
export function renderFacts(result: TaskResult): string {
  const { inputTokens, outputTokens, cost, costIsGuess } = result.usage
  const price = `$${cost.toFixed(4)}${costIsGuess ? ' (a guess: no price for this model)' : ''}`
  const facts = [
    plural(result.steps.length, 'step'),
    `${inputTokens} + ${outputTokens} tokens`,
    price,
    ...(result.childrenCost == null
      ? []
      : [
          `$${result.childrenCost.toFixed(4)} of delegated tasks`,
          `$${(cost + result.childrenCost).toFixed(4)} together`,
        ]),
    seconds(result.executionTime),
    result.model ?? 'no model',
    result.traceId ? `trace ${result.traceId}` : '',
  ]
  const line = paint('dim', `  ${facts.filter(Boolean).join(' · ')}`)
  if (result.output === null || !result.model?.startsWith('scripted/')) return line
  return `${line}\n${paint('yellow', '  This answer is scripted: no language model was asked.')}`
}

/** The error and, if there is one, its remedy and when to retry. */
function renderFailure({ code, message, retryAfterMs }: Failure): string {
  const remedy = Object.hasOwn(errorTable, code) ? errorTable[code as keyof typeof errorTable].remedy : ''
  const lines = [`${code}: ${message}`]
  if (remedy !== '' && remedy !== 'None needed.') lines.push(remedy)
  if (retryAfterMs != null) lines.push(`Retry in ${duration(retryAfterMs)}.`)
  return lines.map((line) => `  ${line}`).join('\n')
}

/** Rounded up, so that a retry is never too early. */
function duration(ms: number): string {
  const units = [
    [3_600_000, 'h'],
    [60_000, 'min'],
  ] as const
  const [size, unit] = units.find(([size]) => ms > 2 * size) ?? [1_000, 's']
  return `${Math.ceil(ms / size)} ${unit}`
}

const COMPACTED: Readonly<Record<string, string>> = {
  trimmed: 'outputs are cut',
  summarised: 'a summary stands for them',
  left_out: 'a line each stands for them',
}

/** How the conversation was made shorter, by an event of the task's history. */
export function renderCompaction(fields: { readonly [name: string]: Json | undefined }): string {
  const { how, because, throughStep, tokensBefore, tokensAfter, reason } = fields
  const why = because === 'refused' ? 'refused as too long' : 'near its limit'
  const what = COMPACTED[String(how)] ?? String(how)
  const without = typeof reason === 'string' ? ` (${shorten(reason, 80)})` : ''
  return (
    `conversation ${why}: steps 1 to ${String(throughStep)}, ${what}${without}; ` +
    `${String(tokensBefore)} → ${String(tokensAfter)} tokens`
  )
}
