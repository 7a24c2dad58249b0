// The tools of the fleet as the planner needs them: which a task may call, and whether arguments fit.
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { compileArguments, type ArgumentsChecked } from '../../runtime/config/coercion.ts'
import { failure } from '../../runtime/errors.ts'
import { inexactNumbersHint } from '../../runtime/exact-json.ts'
import { isDeeperThan, MAX_JSON_DEPTH } from '../../runtime/json-depth.ts'
import type { Failure, Json } from '../../runtime/stage.ts'
import type { TaskAdmitted } from '../../schemas/generated/events.ts'
import type { ModelTool, ModelToolCall } from './call.ts'
import { parseJson } from './output-schema.ts'

/** Checking takes the planner's own time: a value that fits nowhere is a problem at each of its parts. */
const MAX_ARGUMENT_CHARS = 1_000_000

export interface FittingCall {
  readonly spec: ToolSpec
  readonly input: Json
  /** Arguments that were read differently from what the model wrote. */
  readonly coerced: readonly string[]
}

export interface ToolBook {
  /** Whether the tool returns text written by others; without a name, whether any tool of the task does. */
  isUntrusted(tool: string | null, task: TaskAdmitted): boolean
  /**
   * Tools that the task may call. In code mode, those that need a person's approval are left out: Python
   * calls tools without passing the planner, which asks for approval.
   */
  of(task: TaskAdmitted): readonly ToolSpec[]
  /** The call's tool and arguments, or why it is not made. */
  check(call: ModelToolCall, task: TaskAdmitted): FittingCall | { refused: Failure }
}

export function toolBook(fleet: Fleet): ToolBook {
  const specs = new Map(fleet.tools.map((tool) => [tool.spec.name, tool.spec]))
  const checks = new Map<string, (input: Json) => ArgumentsChecked>()
  const checkArguments = (spec: ToolSpec, input: Json): ArgumentsChecked => {
    const check = checks.get(spec.name) ?? compileArguments(spec.input)
    checks.set(spec.name, check)
    return check(input)
  }
  const of: ToolBook['of'] = (task) => {
    const allowed = task.tools.flatMap((name) => specs.get(name) ?? [])
    return task.mode === 'code' ? allowed.filter((spec) => !spec.requiresApproval) : allowed
  }
  return {
    of,
    isUntrusted: (tool, task) =>
      of(task).some(
        ({ name, reads }) => (tool === null || name === tool) && reads?.includes('untrusted') === true,
      ),
    check(call, task) {
      const spec = of(task).find((candidate) => candidate.name === call.name)
      if (!spec) return { refused: unknownTool(call.name, of(task)) }
      if (call.argumentsText.length > MAX_ARGUMENT_CHARS) return { refused: tooLong(call) }
      const input = argumentsOf(call.argumentsText)
      if (input === undefined) return { refused: notAnObject(call) }
      const { meant, problems, coerced } = checkArguments(spec, input)
      if (problems.length === 0) return { spec, input: meant, coerced }
      const hint = inexactNumbersHint(call.argumentsText)
      const message = `The arguments of ${spec.name} do not fit: ${problems.join('; ')}${hint}.`
      return { refused: failure('TOOL_ARGUMENTS_INVALID', message) }
    },
  }
}

export function modelTool({ name, description, input }: ToolSpec): ModelTool {
  return { type: 'function', function: { name, description, parameters: input } }
}

/**
 * Undefined if they are not a JSON object, or too long, or nested too deep. Empty text or null means no
 * arguments; some models write JSON within a string.
 */
export function argumentsOf(text: string): Json | undefined {
  if (text.trim() === '') return {}
  if (text.length > MAX_ARGUMENT_CHARS) return undefined
  const outer = parseJson(text)
  const value = typeof outer === 'string' ? parseJson(outer) : outer
  if (value === null) return {}
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  return isDeeperThan(value, MAX_JSON_DEPTH) ? undefined : value
}

function unknownTool(name: string, tools: readonly ToolSpec[]): Failure {
  const names = tools.map((spec) => spec.name).join(', ') || 'none'
  return failure('TOOL_UNKNOWN', `There is no tool "${name.slice(0, 100)}". Tools: ${names}.`)
}

function tooLong({ name, argumentsText }: ModelToolCall): Failure {
  const message = `The arguments of ${name} have ${argumentsText.length} characters, at most ${MAX_ARGUMENT_CHARS} are taken`
  return failure('TOOL_ARGUMENTS_INVALID', message)
}

function notAnObject({ name, argumentsText }: ModelToolCall): Failure {
  const why = isDeeperThan(parseJson(argumentsText), MAX_JSON_DEPTH)
    ? `nested more than ${MAX_JSON_DEPTH} deep`
    : `not a JSON object: ${argumentsText.slice(0, 200)}`
  return failure('TOOL_ARGUMENTS_INVALID', `The arguments of ${name} are ${why}`)
}
