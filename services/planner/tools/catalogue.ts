// The tools of the fleet as the planner needs them: which a task may call, and whether arguments fit.
import { toolSpecs } from '../../../runtime/config/delegates.ts'
import type { Fleet, ToolSpec } from '../../../runtime/config/fleet.ts'
import { compileArguments, type ArgumentsChecked } from '../../../runtime/config/json-schema/coercion.ts'
import { failure } from '../../../runtime/errors.ts'
import { inexactNumbersHint } from '../../../runtime/json/exact.ts'
import { patternsOf } from '../../../runtime/foreign-schema/patterns.ts'
import type { Failure, Json } from '../../../runtime/stage.ts'
import type { TaskAdmitted } from '../../../schemas/generated/events.ts'
import type { ModelTool, ModelToolCall } from '../call.ts'
import { toolNames } from '../recorded.ts'
import { readArguments } from './call-arguments.ts'
import { nameMeant } from './names.ts'
import { portableSchema } from './schemas.ts'

export interface FittingCall {
  readonly spec: ToolSpec
  readonly input: Json
  /** Arguments that were read differently from what the model wrote. */
  readonly coerced: readonly string[]
}

export interface ToolBook {
  /** Whether the tool returns text written by others; without a name, whether any tool of the task does. */
  isUntrusted(tool: string | null, task: TaskAdmitted): boolean
  /** Tools that the task may call. */
  of(task: TaskAdmitted): readonly ToolSpec[]
  /** The same tools in the form that models take. The list is shared: it must not be changed. */
  forModel(task: TaskAdmitted): ModelTool[]
  /** The agent that a tool is, and whether it takes the task over; null for a tool that runs. */
  delegate(tool: string): NonNullable<ToolSpec['delegate']> | null
  /** The tool of the task that a model means by a name; the name itself if that is not clear. */
  nameOf(called: string, task: TaskAdmitted): string
  /** The call's tool and arguments, or why it is not made. */
  check(call: ModelToolCall, task: TaskAdmitted): FittingCall | { refused: Failure }
}

/** Lists of tools that are kept; forks may name their own. */
const MAX_LISTS = 1_000

export function toolBook(fleet: Fleet): ToolBook {
  const specs = new Map(toolSpecs(fleet).map((spec) => [spec.name, spec]))
  const checks = new Map<string, (input: Json) => ArgumentsChecked>()
  const checkArguments = (spec: ToolSpec, input: Json): ArgumentsChecked => {
    const check = checks.get(spec.name) ?? compileArguments(spec.input, patternsOf(spec))
    checks.set(spec.name, check)
    return check(input)
  }
  const of: ToolBook['of'] = (task) => toolNames(task).flatMap((name) => specs.get(name) ?? [])
  const lists = new Map<string, ModelTool[]>()
  return {
    of,
    forModel(task) {
      const key = toolNames(task).join('\n')
      const known = lists.get(key)
      if (known) return known
      const made = of(task).map(modelTool)
      if (lists.size >= MAX_LISTS) lists.clear()
      lists.set(key, made)
      return made
    },
    delegate: (tool) => specs.get(tool)?.delegate ?? null,
    isUntrusted(tool, task) {
      const tools = of(task)
      if (tool === null) return tools.some(readsOthers) || sharesCalls(task)
      const spec = tools.find(({ name }) => name === tool)
      return spec ? readsOthers(spec) : sharesCalls(task)
    },
    nameOf(called, task) {
      const names = of(task).map(({ name }) => name)
      return nameMeant(called, names) ?? called
    },
    check(call, task) {
      const spec = of(task).find((candidate) => candidate.name === call.name)
      if (!spec) return { refused: unknownTool(call.name, of(task)) }
      const read = readArguments(call.argumentsText)
      if ('problem' in read) return { refused: unreadable(call.name, read.problem) }
      const { meant, problems, coerced } = checkArguments(spec, read.value)
      if (problems.length === 0) return { spec, input: meant, coerced }
      const hint = inexactNumbersHint(read.json)
      const message = `The arguments of ${spec.name} do not fit: ${problems.join('; ')}${hint}.`
      return { refused: failure('TOOL_ARGUMENTS_INVALID', message) }
    },
  }
}

const readsOthers = ({ reads }: ToolSpec): boolean => reads?.includes('untrusted') === true

/** A fork may share calls of tools that its agent does not have: nothing says what those read. */
const sharesCalls = ({ mode, forkedFromStep }: TaskAdmitted): boolean =>
  mode === 'tools' && (forkedFromStep ?? 1) > 1

function modelTool({ name, description, input }: ToolSpec): ModelTool {
  return { type: 'function', function: { name, description, parameters: portableSchema(input) } }
}

function unknownTool(name: string, tools: readonly ToolSpec[]): Failure {
  const names = tools.map((spec) => spec.name).join(', ') || 'none'
  return failure('TOOL_UNKNOWN', `There is no tool "${name.slice(0, 100)}". Tools: ${names}.`)
}

const unreadable = (name: string, problem: string): Failure =>
  failure('TOOL_ARGUMENTS_INVALID', `The arguments of ${name} ${problem}`)
