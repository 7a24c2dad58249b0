// What a fleet is configured with, and who owns its lanes.
import { type Command, Option } from 'commander'
import {
  directConfiguration,
  type AgentView,
  type ConfigurationOperator,
  type ModelView,
  type ToolView,
} from '../../operator/direct/configured.ts'
import type { LaneView } from '../../operator/direct/lanes.ts'
import { usingOperator } from '../../operator/connect.ts'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { loadFleet } from '../../runtime/config/load.ts'
import { FlotillaError } from '../../runtime/errors.ts'
import { stages } from '../../schemas/topics.ts'
import type { Setting } from '../../runtime/config/effective.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { sayLeaderless } from '../output/leaderless-notice.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { count, elapsed } from '../output/units.ts'

export function defineAgents(command: Command): void {
  command
    .description('agents: mode, model and tools of each')
    .option('--json', 'JSON on stdout')
    .action((options: Options) => list(options, () => configured((own) => own.agents()), showAgents))
}

export function defineTools(command: Command): void {
  command
    .description('tools: what they do, and which agents may call them')
    .option('--json', 'JSON on stdout')
    .action((options: Options) => list(options, () => configured((own) => own.tools()), showTools))
}

export function defineModels(command: Command): void {
  command
    .description('models: provider, price, context, and what is missing before they can be called')
    .option('--json', 'JSON on stdout')
    .addHelpText('after', '\nServers in private networks are asked which models they have.')
    .action((options: Options) => list(options, () => configured((own) => own.models()), showModels))
}

export function defineConfig(command: Command): void {
  command.description('the effective configuration')
  defaultSubcommand(command, 'show')
    .description('each setting with its value and source: default, file or environment; secrets are masked')
    .option('--changed', 'only what differs from its default')
    .option('--json', 'JSON on stdout')
    .action(({ changed, ...options }: Options & { changed?: boolean }) =>
      list(
        options,
        async () => {
          const settings = await configured((own) => own.config())
          return changed ? settings.filter(({ source }) => source !== 'default') : settings
        },
        showSettings,
      ),
    )
}

export function defineLanes(command: Command): void {
  command
    .description('lanes of each stage: who owns them, and how far they are behind')
    .addOption(new Option('--stage <name>', 'one stage, lane by lane').choices(stages))
    .option('--json', 'JSON on stdout')
    .action(({ stage, ...options }: Options & { stage?: string }) =>
      list(
        options,
        () =>
          usingOperator(async ({ lanes }) =>
            (await lanes.list()).filter((lane) => stage === undefined || lane.stage === stage),
          ),
        stage === undefined ? showStages : showLanes,
      ),
    )
}

interface Options {
  json?: boolean
}

async function list<T>(
  { json }: Options,
  read: () => Promise<T[]>,
  show: (rows: readonly T[]) => void,
): Promise<void> {
  const rows = await read()
  if (json) printJson(rows)
  else if (rows.length === 0) print('None.')
  else show(rows)
  process.exit(0)
}

/** Asks the fleet; if none has run here, the configuration of this directory. */
async function configured<T>(read: (own: ConfigurationOperator) => Promise<T[]>): Promise<T[]> {
  try {
    return await usingOperator(({ configuration }) => read(configuration))
  } catch (error) {
    if (!(error instanceof FlotillaError) || error.code !== 'NO_FLEET') throw error
    say(paint('dim', `This is the configuration here: ${error.message}.`))
    const environment = readEnvironment(process.env)
    return read(directConfiguration(await loadFleet(environment), environment))
  }
}

function showAgents(agents: readonly AgentView[]): void {
  const columns: Column[] = [
    { name: 'agent', keep: true },
    { name: 'mode' },
    { name: 'model' },
    { name: 'tools' },
    { name: 'profile', optional: true },
    { name: 'description', optional: true },
  ]
  const rows = agents.map((agent) => [
    agent.isDefault ? `${agent.name} (default)` : agent.name,
    agent.mode,
    agent.model ?? (agent.strategy === null ? 'none is connected' : `by strategy ${agent.strategy}`),
    agent.tools.join(', ') || '–',
    agent.profile ?? '–',
    agent.description ?? '',
  ])
  printTable(columns, rows)
}

function showTools(tools: readonly ToolView[]): void {
  const columns: Column[] = [
    { name: 'tool', keep: true },
    { name: 'source', optional: true },
    { name: 'approval' },
    { name: 'repeatable' },
    { name: 'time limit', kind: 'figure' },
    { name: 'description' },
    { name: 'agents', optional: true },
    { name: 'cached', optional: true },
  ]
  const rows = tools.map((tool) => [
    tool.name,
    tool.server === null ? 'here' : `MCP ${tool.server}`,
    tool.requiresApproval ? 'needed' : '–',
    tool.idempotent ? 'yes' : 'no',
    elapsed(tool.timeoutMs),
    tool.description,
    tool.agents.join(', ') || '–',
    tool.cacheTtlMs === 0 ? '–' : elapsed(tool.cacheTtlMs),
  ])
  printTable(columns, rows)
}

const dollars = (amount: number): string => `$${amount.toFixed(2)}`

function showModels(models: readonly ModelView[]): void {
  const columns: Column[] = [
    { name: 'model', keep: true },
    { name: 'ready' },
    { name: 'in/out per M' },
    { name: 'context', kind: 'figure', optional: true },
    { name: 'used by', optional: true },
    { name: 'server', optional: true },
  ]
  const rows = models.map((model) => [
    model.model,
    model.problem ?? model.missing ?? 'yes',
    model.price === null
      ? '–'
      : `${dollars(model.price.input)} / ${dollars(model.price.output)}${model.price.isGuess ? ' ?' : ''}`,
    model.contextTokens === null ? '–' : count(model.contextTokens),
    model.usedBy.join(', ') || '–',
    model.served === null
      ? (model.baseUrl ?? '–')
      : `${model.baseUrl} has ${model.served.join(', ') || 'no model'}`,
  ])
  printTable(columns, rows, (index) =>
    models[index]?.missing === null && !models[index]?.problem ? null : 'dim',
  )
}

function showSettings(settings: readonly Setting[]): void {
  const columns: Column[] = [
    { name: 'setting', keep: true },
    { name: 'value' },
    { name: 'source', keep: true },
  ]
  const rows = settings.map(({ name, value, source }) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
    source,
  ])
  printTable(columns, rows, (index) => (settings[index]?.source === 'default' ? 'dim' : null))
}

const leaderlessIn = (lanes: readonly LaneView[]): string[] => [
  ...new Set(lanes.flatMap(({ lane, leaderless = [] }) => leaderless.map((topic) => `${topic}[${lane}]`))),
]

/** One line for each stage and owner. */
function showStages(lanes: readonly LaneView[]): void {
  const columns: Column[] = [
    { name: 'stage', keep: true },
    { name: 'owner' },
    { name: 'state' },
    { name: 'lanes', kind: 'figure' },
    { name: 'lag', kind: 'figure' },
    { name: 'which', optional: true },
  ]
  const groups = [...Map.groupBy(lanes, ({ stage, owner }) => JSON.stringify([stage, owner])).values()]
  const rows = groups.map((own) => [
    own[0]?.stage ?? '',
    own[0]?.owner ?? 'nobody',
    own[0]?.paused ? 'paused' : own[0]?.owner === null ? '–' : 'runs',
    count(own.length),
    count(own.reduce((sum, { lag }) => sum + lag, 0)),
    own.map(({ lane }) => lane).join(' '),
  ])
  printTable(columns, rows, (index) =>
    groups[index]?.[0]?.owner === null || groups[index]?.[0]?.paused ? 'yellow' : null,
  )
  sayLeaderless(leaderlessIn(lanes))
}

function showLanes(lanes: readonly LaneView[]): void {
  const columns: Column[] = [
    { name: 'lane', kind: 'figure' },
    { name: 'owner' },
    { name: 'lag', kind: 'figure' },
    { name: 'positions', optional: true },
  ]
  const rows = lanes.map(({ lane, owner, lag, topics }) => [
    String(lane),
    owner ?? 'nobody',
    count(lag),
    topics.map(({ topic, position, next }) => `${topic} ${position}/${next}`).join(', '),
  ])
  printTable(columns, rows, (index) => (lanes[index]?.owner === null ? 'yellow' : null))
  sayLeaderless(leaderlessIn(lanes))
}
