// The options of a task, which `run`, `submit` and `chat` share. Types and choices come from the schema of TaskSubmitted.
import { type Command, Option } from 'commander'
import type { TaskInput } from '../../client/types.ts'
import { taskFields } from '../../schemas/task-fields.ts'
import { jsonFile, number, wholeNumber } from './arguments.ts'

/** A field of a task, the flags of its option, and what help says. `text` is the argument of the command. */
type TaskOption = readonly [field: Exclude<keyof TaskInput, 'text'>, flags: string, description: string]

/** As help shows them. */
const groups: Readonly<Record<string, readonly TaskOption[]>> = {
  'Agent and model:': [
    ['agent', '--agent <name>', 'agent of flotilla.config.ts'],
    ['mode', '--mode <mode>', 'code: Python that calls tools; tools: JSON tool calls'],
    ['model', '--model <name>', 'provider/model; a bare name is OpenAI’s'],
    ['profile', '--profile <name>', 'fast, accurate, economy, local, secure, throughput, or your own'],
    ['instructions', '--instructions <text>', 'in place of the agent’s, if it allows that'],
    ['temperature', '--temperature <n>', 'sampling temperature, if the agent allows it'],
    ['maxOutputTokens', '--max-output-tokens <n>', 'most tokens of one model answer'],
    ['strategy', '--strategy <name>', 'how to choose the model if none is named'],
    ['complexity', '--complexity <level>', 'for the strategy (default: estimated)'],
    ['quality', '--quality <level>', 'for the strategy (default: normal)'],
    ['estimatedTokens', '--estimated-tokens <n>', 'of the whole task, for strategy and budgets'],
  ],
  'Limits:': [
    ['timeoutMs', '--timeout <ms>', 'time limit of the task in milliseconds'],
    ['maxSteps', '--max-steps <n>', 'how many steps (model answers) at most'],
    ['maxCost', '--max-cost <dollars>', 'stop once the task has cost this much'],
    ['priority', '--priority <n>', '-9 to 9; in a full queue higher ones run first (default: 0)'],
  ],
  'The task:': [
    ['taskId', '--id <taskId>', 'task id; the same id runs only once'],
    ['userId', '--user <id>', 'user to whom the task is charged'],
    ['outputSchema', '--output-schema <file>', 'JSON Schema that the output must fit'],
    ['sessionId', '--session <id>', 'session (a conversation) that the task belongs to'],
    [
      'whenBusy',
      '--when-busy <policy>',
      'if a task of the session runs: wait, join it, end it, or be rejected',
    ],
    ['history', '--history <file>', 'earlier messages as JSON: [{"role": "user", "content": "…"}, …]'],
    ['parent', '--parent <taskId>', 'task that this one was made from'],
    ['metadata', '--metadata <file>', 'labels of the task as JSON: {"name": "text"}'],
  ],
  'Recorded outcomes (flotilla fork makes them):': [
    ['recording', '--recording <file>', 'recorded steps and outcomes of tool calls as JSON'],
    ['toolPolicy', '--tool-policy <policy>', 'how tool calls are answered (default: by the tools)'],
    ['forkedFrom', '--fork-of <taskId>', 'task whose recording it brings'],
    ['forkedFromStep', '--fork-step <n>', 'first step that is not in the recording'],
  ],
}
export const taskOptions: readonly TaskOption[] = Object.values(groups).flat()

export type TaskOptions = Readonly<Record<string, unknown>>

/** Adds the options of these fields; default: of all, in groups. */
export function addTaskOptions(command: Command, fields?: readonly (keyof TaskInput)[]): Command {
  for (const [heading, options] of Object.entries(groups))
    for (const [field, flags, description] of options) {
      const option = typed(new Option(flags, description), field)
      if (fields === undefined) command.addOption(option.helpGroup(heading))
      else if (fields.includes(field)) command.addOption(option)
    }
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
