// Two results side by side: their steps, the first difference, and what each has used.
import type { TaskResult, TaskStep } from '../../../client/types.ts'
import { shortStep } from '../../../runtime/task/short-steps.ts'
import type { Json } from '../../../schemas/json.ts'

export interface ComparedStep {
  readonly step: number
  /** Null: that task has no such step. */
  readonly a: StepView | null
  readonly b: StepView | null
  /** Fields that differ; empty if none does. */
  readonly differs: readonly string[]
}

export interface StepView {
  readonly kind: string
  readonly model: string | null
  readonly text: string | null
  readonly code: string | null
  readonly toolCalls: readonly { readonly tool: string; readonly arguments: Json; readonly status: string }[]
  readonly observation: string | null
  readonly error: string | null
  /** Shared with the task that it is a fork of. */
  readonly recorded: boolean
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cost: number
  readonly durationMs: number
}

export interface ComparedTask {
  readonly taskId: string
  readonly status: string
  readonly output: Json
  readonly errorCode: string | null
  readonly model: string | null
  readonly forkedFrom: string | null
  readonly forkedFromStep: number | null
  readonly refusedCalls: number
  readonly steps: number
  readonly inputTokens: number
  readonly outputTokens: number
  readonly cost: number
  readonly executionTime: number
}

export interface Comparison {
  readonly a: ComparedTask
  readonly b: ComparedTask
  readonly steps: readonly ComparedStep[]
  /** The first step that differs, and in what; null if none does. */
  readonly firstDifference: { readonly step: number; readonly in: readonly string[] } | null
  readonly sameOutput: boolean
}

/** What makes two steps different: models, tokens and times do not. */
const compared = ['kind', 'text', 'code', 'toolCalls', 'observation', 'error'] as const

export function compareResults(a: TaskResult, b: TaskResult): Comparison {
  const count = Math.max(a.steps.length, b.steps.length)
  const steps = Array.from({ length: count }, (_, index) =>
    compareStep(index, a.steps[index], b.steps[index]),
  )
  const first = steps.find(({ differs }) => differs.length > 0)
  return {
    a: taskView(a),
    b: taskView(b),
    steps,
    firstDifference: first ? { step: first.step, in: first.differs } : null,
    sameOutput: isSame(a.output, b.output),
  }
}

function compareStep(index: number, a: TaskStep | undefined, b: TaskStep | undefined): ComparedStep {
  const views = { a: a ? stepView(a) : null, b: b ? stepView(b) : null }
  const differs = a && b ? differencesOf(a, b) : [a ? 'only in the first' : 'only in the second']
  return { step: index + 1, ...views, differs }
}

/** Fields that differ; where one of the steps was cut, what is left of both is compared. */
function differencesOf(a: TaskStep, b: TaskStep): string[] {
  const isCut = a.shortened === true || b.shortened === true
  const [left, right] = [a, b].map((step) => stepView(isCut ? shortStep(step) : step))
  return compared.filter((name) => !isSame(left?.[name] as Json, right?.[name] as Json))
}

const stepView = (step: TaskStep): StepView => ({
  kind: step.kind,
  model: step.model,
  text: step.text,
  code: step.code,
  toolCalls: step.toolCalls.map(({ tool, arguments: args, status }) => ({ tool, arguments: args, status })),
  observation: step.observation,
  error: step.error?.code ?? null,
  recorded: step.recorded ?? false,
  inputTokens: step.usage?.inputTokens ?? 0,
  outputTokens: step.usage?.outputTokens ?? 0,
  cost: step.usage?.cost ?? 0,
  durationMs: step.durationMs,
})

const taskView = (result: TaskResult): ComparedTask => ({
  taskId: result.taskId,
  status: result.status,
  output: result.output,
  errorCode: result.error?.code ?? null,
  model: result.model,
  forkedFrom: result.forkedFrom,
  forkedFromStep: result.forkedFromStep,
  refusedCalls: result.refusedCalls.length,
  steps: result.steps.length,
  inputTokens: result.usage.inputTokens,
  outputTokens: result.usage.outputTokens,
  cost: result.usage.cost,
  executionTime: result.executionTime,
})

/** The order of properties makes no difference. */
function isSame(a: Json, b: Json): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [a as Record<string, Json>, b as Record<string, Json>]
  const keys = Object.keys(left)
  if (keys.length !== Object.keys(right).length) return false
  return keys.every((key) => Object.hasOwn(right, key) && isSame(left[key] ?? null, right[key] ?? null))
}
