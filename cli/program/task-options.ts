// The options of a task, which `run`, `submit` and `chat` share. Types and choices come from the schema of TaskSubmitted.
import { type Command, Option } from 'commander'
import type { TaskInput } from '../../client/types.ts'
import { taskFields } from '../../schemas/task-fields.ts'
import { jsonFile, number, wholeNumber } from './arguments.ts'

/** A field of a task, the flags of its option, and what help says. `text` is the argument of the command. */
type TaskOption = readonly [field: Exclude<keyof TaskInput, 'text'>, flags: string, description: string]

export const taskOptions: readonly TaskOption[] = [
  ['agent', '--agent <name>', 'agent of flotilla.config.ts'],
  ['profile', '--profile <name>', 'fast, accurate, economy, local, secure, throughput, or your own'],
  ['model', '--model <name>', 'provider/model; a bare name is OpenAI’s'],
  ['mode', '--mode <mode>', 'code: Python that calls tools; tools: JSON tool calls'],
  ['strategy', '--strategy <name>', 'how to choose the model if none is named'],
  ['complexity', '--complexity <level>', 'for the strategy; default: estimated'],
  ['quality', '--quality <level>', 'for the strategy; default: normal'],
  ['estimatedTokens', '--estimated-tokens <n>', 'of the whole task, for strategy and budgets'],
  ['maxSteps', '--max-steps <n>', 'how many steps (model answers) at most'],
  ['timeoutMs', '--timeout <ms>', 'time limit of the task in milliseconds'],
  ['maxCost', '--max-cost <dollars>', 'stop once the task has cost this much'],
  ['priority', '--priority <n>', '-9 to 9; in a full queue higher ones run first (default 0)'],
  ['userId', '--user <id>', 'user to whom the task is charged'],
  ['sessionId', '--session <id>', 'session (a conversation) that the task belongs to'],
  [
    'whenBusy',
    '--when-busy <policy>',
    'if a task of the session runs: wait, join it, end it, or be rejected',
  ],
  ['parent', '--parent <taskId>', 'task that this one was made from'],
  ['taskId', '--id <taskId>', 'task id; the same id runs only once'],
  ['outputSchema', '--output-schema <file>', 'JSON Schema that the output must fit'],
  ['temperature', '--temperature <n>', 'sampling temperature, if the agent allows it'],
  ['maxOutputTokens', '--max-output-tokens <n>', 'most tokens of one model answer'],
  ['history', '--history <file>', 'earlier messages as JSON: [{"role": "user", "content": "…"}, …]'],
  ['forkedFrom', '--fork-of <taskId>', 'task whose recording it brings (see flotilla fork)'],
  ['forkedFromStep', '--fork-step <n>', 'first step that is not in the recording'],
  ['toolPolicy', '--tool-policy <policy>', 'how tool calls are answered; default: by the tools'],
  ['instructions', '--instructions <text>', 'in place of the agent’s, if it allows that'],
  ['recording', '--recording <file>', 'recorded steps and outcomes of tool calls as JSON'],
  ['metadata', '--metadata <file>', 'labels of the task as JSON: {"name": "text"}'],
]

export type TaskOptions = Readonly<Record<string, unknown>>

/** Adds the options of these fields; default: of all. */
export function addTaskOptions(command: Command, fields?: readonly (keyof TaskInput)[]): Command {
  for (const [field, flags, description] of taskOptions.filter(([each]) => fields?.includes(each) ?? true))
    command.addOption(typed(new Option(flags, description), field))
  return command
}

function typed(option: Option, name: string): Option {
  const kind = taskFields.find((field) => field.name === name)?.kind ?? 'text'
  if (typeof kind !== 'string') return option.choices(kind)
  const parsers = { text: null, 'whole number': wholeNumber, number, object: jsonFile, list: jsonFile }
  const parser = parsers[kind]
  return parser === null ? option : option.argParser<unknown>(parser)
}

/** The task that text and options describe. */
export function toTask(text: string, options: TaskOptions): TaskInput {
  const given = taskOptions.flatMap(([field, flags, description]) => {
    const value = options[new Option(flags, description).attributeName()]
    return value === undefined ? [] : [[field, value]]
  })
  return { text, ...(Object.fromEntries(given) as Partial<TaskInput>) }
}
