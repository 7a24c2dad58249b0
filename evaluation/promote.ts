// Makes a case of a task that ran: what was asked, its answer, and the recorded outcomes of its tool calls.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Client } from '../client/types.ts'
import type { Operator } from '../operator/index.ts'
import { FlotillaError } from '../runtime/errors.ts'
import type { RecordedCall } from '../runtime/task/recording.ts'
import type { Json } from '../schemas/json.ts'
import { taskFieldsOfCases } from './cases.ts'
import type { CaseDefinition, ScorerDefinition } from './index.ts'

export interface PromoteOptions {
  /** In place of the task's output. */
  readonly expected?: Json
  readonly scorers?: readonly Json[]
}

export interface Promoted {
  readonly id: string
  readonly outcomes: number
}

/** What a task becomes in a data set; docs/evaluation.md describes the fields. */
export interface PromotedCase extends CaseDefinition {
  id: string
  outcomes: RecordedCall[]
}

interface Sources {
  readonly client: Pick<Client, 'find'>
  readonly operator: Pick<Operator, 'forks'>
}

/**
 * The case of an ended task. Rejects with TASK_UNKNOWN, TASK_OPEN, and with REQUEST_INVALID for a task that did not
 * succeed unless something says what is right.
 */
export async function caseOfTask(
  { client, operator }: Sources,
  taskId: string,
  { expected, scorers = [] }: PromoteOptions = {},
): Promise<PromotedCase> {
  const { outcomes = [] } = await operator.forks.recording(taskId)
  const task = await operator.forks.submission(taskId)
  const result = await client.find(taskId)
  const wanted = expected ?? (result?.status === 'succeeded' ? result.output : undefined)
  if (wanted === undefined && scorers.length === 0)
    throw refused(`the task ${taskId} did not succeed: say what is right, by --expected or --scorer`)
  const fields = taskFieldsOfCases.flatMap((name) => (task[name] === undefined ? [] : [[name, task[name]]]))
  return {
    id: taskId,
    input: task.text,
    ...(wanted === undefined ? {} : { expected: wanted }),
    ...(scorers.length === 0 ? {} : { scorers: scorers as ScorerDefinition[] }),
    ...(Object.fromEntries(fields) as object),
    outcomes,
    metadata: { promotedFrom: taskId, answeredBy: result?.model ?? null },
  }
}

/** Appends the case to a file of JSON lines. Rejects with REQUEST_INVALID if it has the case already. */
export async function promote(
  sources: Sources,
  taskId: string,
  file: string,
  options: PromoteOptions,
): Promise<Promoted> {
  if (!['.jsonl', '.ndjson'].includes(extname(file).toLowerCase()))
    throw refused(`a task becomes a line of JSON: ${file} must end in .jsonl`)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if (before.split('\n').some((line) => idOf(line) === taskId))
    throw refused(`${file} has the case ${taskId} already`)
  const found = await caseOfTask(sources, taskId, options)
  const start = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(file, `${start}${JSON.stringify(found)}\n`)
  return { id: taskId, outcomes: found.outcomes.length }
}

function idOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { id?: unknown } | null)?.id
  } catch {
    return undefined
  }
}

const refused = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
