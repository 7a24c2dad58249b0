import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import type { Fleet } from '../../runtime/config/fleet.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { DEFAULT_EXECUTOR } from '../../services/code-sandbox/constants.ts'
import { openExecutors } from '../../services/code-sandbox/executors/open.ts'
import type { Executor, ToolSignature } from '../../services/code-sandbox/executors/port.ts'
import { number } from '../program/arguments.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { namesIn, readStdin, readText } from '../program/read-text.ts'
import { runSnippet, type SnippetOutcome } from '../../services/code-sandbox/try-out.ts'

type Results = Map<string, Json[]>

interface SandboxOptions {
  executor: string
  timeout?: number
  json?: boolean
  toolResult?: Results
}

export function defineSandbox(sandbox: Command): void {
  addSharedOptions(sandbox.command('run'))
    .description('run one Python file as an agent’s step; - reads it from stdin')
    .argument('<file>', 'Python that may call the fleet’s tools and final_answer()')
    .option(
      '--tool-result <name=json>',
      'result of a tool; repeat it for more calls and tools. Tools that the fleet does not define are stubbed',
      toolResult,
    )
    .addHelpText(
      'after',
      '\nNo tool is called: each returns its --tool-result, or fails.\nExit code: 0 the code ran, 1 it failed.',
    )
    .action(run)
  addSharedOptions(sandbox.command('probe'))
    .description('run many Python programs, each on its own, and count those that end without an error')
    .argument('<programs>', 'a directory of .py files, or a JSON file: name → program')
    .action(probe)
}

const addSharedOptions = (command: Command): Command =>
  command
    .option('--executor <name>', 'the executor to run it in', 'default')
    .option(
      '--timeout <ms>',
      'computing time of a step in milliseconds (default: limits.codeStepTimeoutMs)',
      number,
    )
    .option('--json', 'JSON on stdout')

function toolResult(given: string, results: Results = new Map()): Results {
  const [, name, value = ''] = /^([A-Za-z_]\w*)=(.*)$/s.exec(given) ?? []
  if (name === undefined) throw new InvalidArgumentError('Give name=JSON, for example search=\'["a"]\'.')
  try {
    return results.set(name, [...(results.get(name) ?? []), JSON.parse(value) as Json])
  } catch {
    throw new InvalidArgumentError(
      `What follows ${name}= is not JSON; a text needs its quotes: ${name}='"text"'.`,
    )
  }
}

async function run(file: string, options: SandboxOptions): Promise<void> {
  const code = file === '-' ? await readStdin() : readText(file)
  const outcome = await withExecutor(options, async (executor, fleet, timeoutMs) => {
    const results = options.toolResult ?? new Map<string, Json[]>()
    return await runSnippet(executor, { code, tools: toolsOf(fleet, results), results, timeoutMs })
  })
  if (options.json) printJson({ ...outcome, errorClass: outcome.error?.class ?? null })
  else show(outcome)
  process.exit(outcome.error ? 1 : 0)
}

function show({ prints, calls, error, output, isFinal }: SnippetOutcome): void {
  for (const { tool, arguments: args } of calls) say(paint('dim', `${tool} ${JSON.stringify(args)}`))
  if (prints !== '') say(prints.trimEnd())
  if (error) return say(`${paint('red', error.code)} ${error.traceback.trimEnd()}`)
  if (isFinal) say(paint('dim', 'final answer'))
  print(typeof output === 'string' ? output : JSON.stringify(output))
}

async function probe(path: string, options: SandboxOptions): Promise<void> {
  const programs = Object.entries(programsIn(path))
  const failed = new Map<string, string>()
  await withExecutor(options, async (executor, fleet, timeoutMs) => {
    const tools = toolsOf(fleet, new Map())
    const queue = programs.values()
    const worker = async () => {
      for (const [name, code] of queue) {
        const { error } = await runSnippet(executor, { code, tools, results: new Map(), timeoutMs })
        if (error) failed.set(name, `${error.code} ${error.class}: ${error.message}`.slice(0, 300))
      }
    }
    await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker))
  })
  const ran = programs.length - failed.size
  if (options.json) printJson({ ran, of: programs.length, failed: Object.fromEntries(failed) })
  else {
    for (const [name] of programs) if (failed.has(name)) print(`${paint('red', name)} ${failed.get(name)}`)
    print(`${ran} of ${programs.length} ran`)
  }
  process.exit(0)
}

function programsIn(path: string): Record<string, string> {
  const names = namesIn(path)
  if (names !== null) {
    const files = names.filter((name) => name.endsWith('.py'))
    if (files.length === 0) throw new FlotillaError('CONFIG_INVALID', `${path} holds no .py file`)
    return Object.fromEntries(
      files.toSorted().map((name) => [basename(name, '.py'), readText(join(path, name))]),
    )
  }
  const programs: unknown = parseJson(path)
  const isMap = typeof programs === 'object' && programs !== null && !Array.isArray(programs)
  if (!isMap || !Object.values(programs).every((program) => typeof program === 'string'))
    throw new FlotillaError('CONFIG_INVALID', `${path} must be a JSON object of names and Python programs`)
  return programs as Record<string, string>
}

function parseJson(path: string): unknown {
  try {
    return JSON.parse(readText(path))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new FlotillaError('CONFIG_INVALID', `${path} is not JSON: ${error.message}`, { cause: error })
  }
}

/** Closes the executors whatever happens. */
async function withExecutor<T>(
  options: SandboxOptions,
  work: (executor: Executor, fleet: Fleet, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const environment = readEnvironment(process.env)
  const fleet = await loadFleet(environment)
  const executors = openExecutors(fleet, environment)
  try {
    const executor = await executors.get(options.executor === 'default' ? DEFAULT_EXECUTOR : options.executor)
    return await work(executor, fleet, options.timeout ?? fleet.limits.codeStepTimeoutMs)
  } finally {
    await executors.close()
  }
}

/** A tool that only --tool-result names takes any keywords, and positions as arg1, arg2, … */
const madeUp = (name: string): ToolSignature => ({
  name,
  description: '',
  input: {
    type: 'object',
    properties: Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`arg${i + 1}`, {}])),
    additionalProperties: true,
  },
})

function toolsOf(fleet: Fleet, results: Results): ToolSignature[] {
  const own = fleet.tools.map(({ spec }) => spec).filter((spec) => !spec.requiresApproval)
  const known = new Set(own.map(({ name }) => name))
  return [...own, ...[...results.keys()].filter((name) => !known.has(name)).map(madeUp)]
}
