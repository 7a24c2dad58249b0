// Makes a case of a task that ran: what was asked, its answer, and the recorded outcomes of its tool calls.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Client } from '../client/types.ts'
import type { Operator } from '../operator/index.ts'
import { FlotillaError } from '../runtime/errors.ts'
import type { Json } from '../schemas/json.ts'
import { taskFieldsOfCases } from './cases.ts'

export interface PromoteOptions {
  /** In place of the task's output. */
  readonly expected?: Json
  readonly scorers?: readonly Json[]
}

export interface Promoted {
  readonly id: string
  readonly outcomes: number
}

/** Appends the case to a file of JSON lines. Rejects with REQUEST_INVALID if it has the case already. */
export async function promote(
  { client, operator }: { client: Pick<Client, 'find'>; operator: Pick<Operator, 'forks'> },
  taskId: string,
  file: string,
  { expected, scorers = [] }: PromoteOptions,
): Promise<Promoted> {
  if (!['.jsonl', '.ndjson'].includes(extname(file).toLowerCase()))
    throw refused(`a task becomes a line of JSON: ${file} must end in .jsonl`)
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  if (before.split('\n').some((line) => idOf(line) === taskId))
    throw refused(`${file} has the case ${taskId} already`)
  const { outcomes = [] } = await operator.forks.recording(taskId)
  const task = await operator.forks.submission(taskId)
  const result = await client.find(taskId)
  const wanted = expected ?? (result?.status === 'succeeded' ? result.output : undefined)
  if (wanted === undefined && scorers.length === 0)
    throw refused(`the task ${taskId} did not succeed: say what is right, by --expected or --scorer`)
  const fields = taskFieldsOfCases.flatMap((name) => (task[name] === undefined ? [] : [[name, task[name]]]))
  const found = {
    id: taskId,
    input: task.text,
    ...(wanted === undefined ? {} : { expected: wanted }),
    ...(scorers.length === 0 ? {} : { scorers }),
    ...(Object.fromEntries(fields) as object),
    outcomes,
    metadata: { promotedFrom: taskId, answeredBy: result?.model ?? null },
  }
  const start = before === '' || before.endsWith('\n') ? '' : '\n'
  appendFileSync(file, `${start}${JSON.stringify(found)}\n`)
  return { id: taskId, outcomes: outcomes.length }
}

function idOf(line: string): unknown {
  try {
    return (JSON.parse(line) as { id?: unknown } | null)?.id
  } catch {
    return undefined
  }
}

const refused = (message: string): FlotillaError => new FlotillaError('REQUEST_INVALID', message)
