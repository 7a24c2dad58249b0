// The recorded part of a task: steps that a fork shares, and outcomes of tool calls that answer in place of the tools.
//
// 1. Anyone may submit one, so it is checked like every other input: shape, depth and number here, bytes by the router.
// 2. A call is answered by the outcome of the same tool with the same arguments; the order of properties makes no
//    difference. Its n-th repetition gets the n-th outcome. Beyond the last one, an idempotent tool's last outcome
//    answers again; any other call has no outcome.
import type { Failure } from '../../schemas/generated/events.ts'
import { shown } from '../../schemas/identity.ts'
import type { Json } from '../../schemas/json.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../json/depth.ts'
import { sortedJson } from '../json/sorted.ts'

export const toolPolicies = ['live', 'recorded', 'ask', 'refuse'] as const
export type ToolPolicy = (typeof toolPolicies)[number]

/** The outcome of a tool call. */
export interface RecordedCall {
  tool: string
  arguments: Json
  status: (typeof statuses)[number]
  /** Null unless it succeeded. */
  output?: Json
  error?: Failure | null
  /** The model's text of the arguments, if known. */
  argumentsText?: string
  /** When Python learned of it, epoch milliseconds. */
  atMs?: number
}

/** A step that a fork repeats without asking the model. */
export interface RecordedStep {
  kind: 'code' | 'tools' | 'answer'
  model: string | null
  text: string | null
  code: string | null
  toolCalls: RecordedCall[]
  observation: string | null
  error: Failure | null
  /** Seed and clock of its Python: with them it does the same again. */
  seed?: string
  atMs?: number
}

export interface Recording {
  steps?: RecordedStep[]
  /** Outcomes of the calls after those steps, in order. */
  outcomes?: RecordedCall[]
}

/** A recorded outcome with the key by which calls find it. */
export interface KeptOutcome extends RecordedCall {
  key: string
}

const statuses = ['succeeded', 'failed', 'unknown', 'cancelled', 'refused'] as const
const kinds = ['code', 'tools', 'answer'] as const

const MAX_RECORDED_STEPS = 10_000
const MAX_RECORDED_CALLS = 20_000
/** Mistakes that one message names. */
const MAX_MISTAKES = 5
const MAX_NAME_CHARS = 200

type Fields = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Mistakes in the shape of a recording. Null is none. */
export function recordingMistakes(recording: unknown): string[] {
  if (recording === null || recording === undefined) return []
  if (!isObject(recording)) return ['recording must be an object { steps, outcomes }']
  if (isDeeperThan(recording, MAX_JSON_DEPTH))
    return [`recording is nested deeper than ${MAX_JSON_DEPTH} levels`]
  const { steps = [], outcomes = [] } = recording
  const mistakes = unknownFields('recording', recording, ['steps', 'outcomes'])
  if (!Array.isArray(steps)) mistakes.push('recording.steps must be a list')
  if (!Array.isArray(outcomes)) mistakes.push('recording.outcomes must be a list')
  if (!Array.isArray(steps) || !Array.isArray(outcomes)) return mistakes
  return [
    ...mistakes,
    ...tooMany(steps as unknown[], outcomes as unknown[]),
    ...(steps as unknown[]).flatMap((step, index) => stepMistakes(step, `recording.steps[${index}]`)),
    ...callMistakes(outcomes as unknown[], 'recording.outcomes'),
  ].slice(0, MAX_MISTAKES)
}

function tooMany(steps: readonly unknown[], outcomes: readonly unknown[]): string[] {
  const mistakes: string[] = []
  if (steps.length > MAX_RECORDED_STEPS)
    mistakes.push(`recording has ${steps.length} steps, at most ${MAX_RECORDED_STEPS} are allowed`)
  const ofSteps = steps.reduce<number>((sum, step) => sum + callsIn(step).length, 0)
  if (ofSteps + outcomes.length > MAX_RECORDED_CALLS)
    mistakes.push(
      `recording has ${ofSteps + outcomes.length} tool calls, at most ${MAX_RECORDED_CALLS} are allowed`,
    )
  return mistakes
}

const callsIn = (step: unknown): readonly unknown[] =>
  isObject(step) && Array.isArray(step['toolCalls']) ? (step['toolCalls'] as unknown[]) : []

function stepMistakes(step: unknown, at: string): string[] {
  if (!isObject(step)) return [`${at} must be an object`]
  const { kind, model, text, code, toolCalls, observation, error, seed, atMs } = step
  const mistakes = unknownFields(at, step, stepFields)
  if (!kinds.some((known) => known === kind)) mistakes.push(`${at}.kind must be ${kinds.join(', ')}`)
  for (const [name, value] of Object.entries({ model, text, code, observation }))
    if (value !== null && typeof value !== 'string') mistakes.push(`${at}.${name} must be a text or null`)
  if (kind === 'code' && typeof code !== 'string')
    mistakes.push(`${at}.code must be a text: its kind is code`)
  if (kind === 'answer' && typeof observation !== 'string')
    mistakes.push(`${at}.observation must be a text: an answer that was not sent back ends its task`)
  if (seed !== undefined && (typeof seed !== 'string' || seed.length > MAX_NAME_CHARS))
    mistakes.push(`${at}.seed must be a text of at most ${MAX_NAME_CHARS} characters`)
  if (!isTime(atMs)) mistakes.push(`${at}.atMs must be epoch milliseconds`)
  mistakes.push(...failureMistakes(error, `${at}.error`))
  if (!Array.isArray(toolCalls)) return [...mistakes, `${at}.toolCalls must be a list`]
  if (kind === 'tools' && toolCalls.length === 0)
    mistakes.push(`${at}.toolCalls must have a call: its kind is tools`)
  return [...mistakes, ...callMistakes(toolCalls as unknown[], `${at}.toolCalls`)]
}

const stepFields: readonly (keyof RecordedStep)[] = [
  'kind',
  'model',
  'text',
  'code',
  'toolCalls',
  'observation',
  'error',
  'seed',
  'atMs',
]
const callFields: readonly (keyof RecordedCall)[] = [
  'tool',
  'arguments',
  'status',
  'output',
  'error',
  'argumentsText',
  'atMs',
]

function callMistakes(calls: readonly unknown[], list: string): string[] {
  return calls.flatMap((call, index) => {
    const at = `${list}[${index}]`
    if (!isObject(call)) return [`${at} must be an object { tool, arguments, status, output }`]
    const { tool, status, error = null, argumentsText = '', atMs } = call
    const mistakes = unknownFields(at, call, callFields)
    if (typeof tool !== 'string' || tool === '' || tool.length > MAX_NAME_CHARS)
      mistakes.push(`${at}.tool must be the name of a tool`)
    if (call['arguments'] === undefined) mistakes.push(`${at}.arguments must be there`)
    if (!statuses.some((known) => known === status))
      mistakes.push(`${at}.status must be ${statuses.join(', ')}`)
    if (status === 'succeeded' && call['output'] === undefined)
      mistakes.push(`${at}.output must be there: the call succeeded`)
    if ((status === 'failed' || status === 'refused') && error === null)
      mistakes.push(`${at}.error must be there: the call ${status === 'failed' ? 'failed' : 'was refused'}`)
    if (typeof argumentsText !== 'string') mistakes.push(`${at}.argumentsText must be a text`)
    if (!isTime(atMs)) mistakes.push(`${at}.atMs must be epoch milliseconds`)
    return [...mistakes, ...failureMistakes(error, `${at}.error`)]
  })
}

function failureMistakes(error: unknown, at: string): string[] {
  if (error === null) return []
  if (!isObject(error)) return [`${at} must be null or a failure`]
  const { code, severity, retryable, message, retryAfterMs = null } = error
  const fits =
    typeof code === 'string' &&
    code.length <= MAX_NAME_CHARS &&
    typeof severity === 'string' &&
    typeof retryable === 'boolean' &&
    typeof message === 'string' &&
    (retryAfterMs === null || typeof retryAfterMs === 'number')
  return fits ? [] : [`${at} must be a failure { code, severity, retryable, message, retryAfterMs }`]
}

const isTime = (value: unknown): boolean =>
  value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)

function unknownFields(at: string, value: Fields, known: readonly string[]): string[] {
  const unknown = Object.keys(value).find((name) => !known.includes(name))
  return unknown === undefined
    ? []
    : [`${at} has an unknown field ${shown(unknown)}; it may have ${known.join(', ')}`]
}

/** Every recorded call in its order, with its key. Only for a recording without mistakes. */
export function keptOutcomes({ steps = [], outcomes = [] }: Recording): KeptOutcome[] {
  return [...steps.flatMap(({ toolCalls }) => toolCalls), ...outcomes].map((call) => ({
    ...call,
    key: keyOf(call),
  }))
}

/** Whether the tool policy refused a call. Python's calls of steps that an older version ended name no error. */
export const isRefusedByPolicy = (call: {
  readonly status: string
  readonly error?: Pick<Failure, 'code'> | null | undefined
  readonly approval?: unknown
}): boolean =>
  call.status === 'refused' && !call.approval && (call.error?.code ?? NOT_RECORDED) === NOT_RECORDED

const NOT_RECORDED = 'TOOL_NOT_RECORDED'

/** Why a call without a recorded outcome is refused. A delegated task would make calls that nobody approved. */
export const notRecorded = {
  refuse: 'every call is refused in this run',
  recorded: 'it has no recorded outcome with these arguments',
  ask: 'it has no recorded outcome with these arguments, and no person is asked about a call of another agent (fork with --tools live to make it)',
} as const satisfies Partial<Record<ToolPolicy, string>>

/** The outcome that answers a call; null if there is none. `isUsed`: it has answered a call before. */
export function outcomeFor(
  call: { readonly tool: string; readonly arguments: Json },
  outcomes: readonly KeptOutcome[],
  { isUsed, isIdempotent }: { isUsed: (index: number) => boolean; isIdempotent: boolean },
): { readonly outcome: KeptOutcome; readonly index: number } | null {
  const key = keyOf(call)
  let last: { outcome: KeptOutcome; index: number } | null = null
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome.key !== key) continue
    last = { outcome, index }
    if (!isUsed(index)) return last
  }
  return isIdempotent ? last : null
}

const keyOf = (call: { readonly tool: string; readonly arguments: Json }): string =>
  `${call.tool} ${sortedJson(call.arguments)}`
