// Generates pages from other files: docs/errors.md from the error table, services/README.md and docs/principals.md from
// the stages and the topics, docs/cli.md from the commands, docs/openapi.json from the
// routes, docs/licences.md from package-lock.json, runtime/python/modules.ts from the list that the sandbox
// enforces.
// `npm run generate` writes them; with `--check` this only compares, and fails on a difference.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { openApi } from '../api/openapi.ts'
import { errorTable } from '../runtime/errors.ts'
import { readBy, serviceRights, type ServiceRights } from '../cli/principals.ts'
import { topics } from '../schemas/topics.ts'
import { stageNames } from '../services/index.ts'
import { commandPage } from './command-page.ts'
import { licencesPage } from './licences-page.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** A service, with the facts from its own README. */
export interface DescribedService extends ServiceRights {
  /** First sentence of its README. */
  readonly purpose: string
  /** Rows of the table in its README; absent for the gateway. */
  readonly rows: Readonly<Record<string, string>>
}

/** In the order in which a task meets them: it comes in by the gateway. */
const order: readonly string[] = ['gateway', ...stageNames]

export async function describeServices(): Promise<DescribedService[]> {
  const services = await serviceRights()
  return Promise.all(
    services.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name)).map(describe),
  )
}

async function describe(rights: ServiceRights): Promise<DescribedService> {
  return { ...rights, ...readmeOf(join(root, 'services', rights.name, 'README.md')) }
}

function readmeOf(path: string): Pick<DescribedService, 'purpose' | 'rows'> {
  const text = readFileSync(path, 'utf8')
  const lines = text.split('\n')
  const paragraph = text.split('\n\n').find((block) => /^[A-Z]/.test(block)) ?? ''
  const purpose = paragraph.replaceAll('\n', ' ')
  const cells = lines.flatMap((line) => {
    const [, name, value] = /^\|\s*(\w+)\s*\|\s*(.*?)\s*\|$/.exec(line) ?? []
    return name && value ? [[name, value]] : []
  })
  return { purpose: purpose.replace(/^(.*?\.)(\s.*)?$/, '$1'), rows: Object.fromEntries(cells) }
}

const code = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ') || '–'

async function servicesPage(): Promise<string> {
  const rows = (await describeServices()).map(
    ({ name, purpose, consumes, produces, rows: { calls, state } }) =>
      `| [${name}](${name}/README.md) | ${purpose} | ${code(consumes)} | ${code(produces.filter((topic) => !everyStage.includes(topic)))} | ${calls ?? '–'} | ${state ?? '–'} |`,
  )
  return `# Services

Generated from the stages, \`schemas/topics.ts\` and the READMEs below by \`npm run generate\`. Do not edit.

Each folder is one service: a process of its own on Kafka, one of several in a process on one machine. Its
\`stage.ts\` is a pure state machine and the file to read first; \`main.ts\` puts stage and caller together; every
folder has the same anatomy ([contributing](../docs/contributing.md#where-things-are)). Services never import each
other: they know only each other's events ([docs/events.md](../docs/events.md)).

| service | what it does | consumes | produces | calls | state |
|---|---|---|---|---|---|
${rows.join('\n')}

Every stage also writes \`dead-letters\` (records that it could not process) and \`ops.health\` (its breakers, as they
open and close). Its state is in a compacted topic of its own, \`<prefix>.<service>.state\` (on one machine: in the
data file).
`
}

/** Written by the host for every stage, so left out of the rows. */
const everyStage = ['dead-letters', 'ops.health']

/** Sections of the page, in the order of the table: each starts at this code. */
const groups: readonly (readonly [keyof typeof errorTable, string])[] = [
  ['TASK_INVALID', 'Submitting a task'],
  ['TASK_CANCELLED', 'Running a task'],
  ['MODEL_RATE_LIMITED', 'Models'],
  ['TOOL_UNKNOWN', 'Tools'],
  ['CODE_SYNTAX', 'Code'],
  ['CALL_ABORTED', 'Calls'],
  ['UNDECODABLE_RECORD', 'The fleet'],
]

function errorsPage(): string {
  const codes = Object.keys(errorTable)
  const sections = groups.map(([first, title], index) => {
    const next = groups[index + 1]?.[0]
    const rows = Object.entries(errorTable)
      .slice(codes.indexOf(first), next === undefined ? codes.length : codes.indexOf(next))
      .map(
        ([name, { severity, retryable, meaning, remedy }]) =>
          `| \`${name}\` | ${severity} | ${retryable ? 'yes' : 'no'} | ${meaning} | ${remedy} |`,
      )
    return `## ${title}\n\n| code | severity | retryable | what happened | what to do |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
  })
  return `# Errors

Generated from \`runtime/errors/table.ts\` by \`npm run generate\`. Do not edit.

Every error that Flotilla reports is one of these: in a result (\`error.code\`), in the history of a task, in a
dead letter, in an HTTP answer (\`{"error": {code, message, remedy}}\`), at the command line. The message says what
happened and where.

- **Severity.** recoverable: the task, or its author, can deal with it. degraded: the fleet works, but less well.
  critical: a person must act.
- **Retryable.** The same request may succeed later without a change. Flotilla itself retries if that is safe.
- **When.** \`error.retryAfterMs\`: in how many milliseconds after its end the same task has room: after
  \`RATE_LIMITED\` and \`BUDGET_EXCEEDED\`, and if a provider gave a time. Over HTTP, \`Retry-After\` has it in
  seconds ([gateway](../services/gateway/README.md)).

${sections.join('\n')}`
}

/** Access lists of the broker: what each principal must be allowed. */
async function principalsPage(): Promise<string> {
  const services = await describeServices()
  const rows = services.map((service) => {
    const { name, produces, isStage } = service
    const own = isStage ? [`${name}.state`] : []
    const group = isStage ? code([`<prefix>.${name}`]) : 'its readers’'
    const id = isStage ? code([`<prefix>.${name}.<lane>`]) : '–'
    const read = [...readBy(service), ...own]
    return `| ${name} | ${code(read)} | ${code([...new Set([...produces, ...own])])} | ${group} | ${id} |`
  })
  const open = topics.filter(({ writers }) => writers.includes('anyone'))
  const byOperators = topics.filter(({ writers }) => writers.includes('operators'))
  const trusted = topics.map(
    ({ name, writers }) => `| \`${name}\` | ${writers.join(', ')} | ${writers.includes('anyone') ? 'checked as hostile input' : 'believed'} |`,
  )
  return `# Principals

Generated from \`schemas/topics.ts\` and the stages by \`npm run generate\`. Do not edit.

Events are not signed: a stage trusts topics that only stages write. A principal that may write \`tools.requested\`
can have any tool run, past lists of tools and approvals; one that may write \`tasks.completed\` decides what a result
is. So give each service a principal of its own on the broker, with these rights. Every name begins with the fleet's
prefix. \`npx flotilla topics --create --acls\` grants them, to the principals \`User:gateway\`, \`User:router\` and
so on; \`--acls 'User:CN={service},O=fleet'\` to others. Each may also describe the fleet's topics and their settings.

| principal | reads | writes | group | transactional ids |
|---|---|---|---|---|
${rows.join('\n')}
| users | \`tasks.completed\`, \`tasks.history\`, \`tasks.streaming\` | ${code(open.map(({ name }) => name))} | their own | – |
| operators | all | ${code([...open, ...byOperators].map(({ name }) => name))}, and what they replay | their own | – |

A user who may read \`tasks.completed\` reads every user's results: if that matters, give users the gateway instead.

The gateway also answers operators, and then reads \`tasks.submitted\`, \`ops.health\`, \`alerts.control\` and
\`dead-letters\`, describes the stages' groups, and writes what they replay: without these rights it answers only users.
\`--acls\` grants all but the last: replay dead letters as an operator, by the command.

## Who is trusted to write which topic

| topic | writers | what it holds is |
|---|---|---|
${trusted.join('\n')}
`
}

/** The planner tells models what the sandbox lets them import; neither imports the other. */
function pythonModules(): string {
  const source = readFileSync(join(root, 'services/code-sandbox/executors/python/sandbox_imports.py'), 'utf8')
  const names = /^AUTHORISED = \(([^)]*)\)/m.exec(source)?.[1]?.match(/[a-z_]\w*/g)
  if (!names) throw new Error('sandbox_imports.py: AUTHORISED was not found')
  return `// Generated from services/code-sandbox/executors/python/sandbox_imports.py by \`npm run generate\`. Do not edit.

/** Modules of Python's standard library that a step may import. */
export const PYTHON_MODULES: readonly string[] = [
${names.map((name) => `  '${name}',`).join('\n')}
]
`
}

/** Absolute path → what the file must hold. */
export async function generatedPages(): Promise<Map<string, string>> {
  const pages = [
    ['docs/errors.md', errorsPage()],
    ['services/README.md', await servicesPage()],
    ['docs/principals.md', await principalsPage()],
    ['docs/cli.md', await commandPage()],
    ['docs/licences.md', licencesPage()],
    ['docs/openapi.json', JSON.stringify(openApi())],
    ['runtime/python/modules.ts', pythonModules()],
  ] as const
  const formatted = pages.map(async ([page, text]) => {
    const path = join(root, page)
    return [path, await format(text, { ...(await resolveConfig(path)), filepath: path })] as const
  })
  return new Map(await Promise.all(formatted))
}

/** Pages that are missing or differ. */
export async function drift(): Promise<string[]> {
  const wrong = [...(await generatedPages())].filter(
    ([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text,
  )
  return wrong.map(([path]) => relative(root, path))
}

async function main(check: boolean): Promise<void> {
  if (!check) return (await generatedPages()).forEach((text, path) => writeFileSync(path, text))
  const wrong = await drift()
  if (wrong.length === 0) return
  console.error(`Out of date: ${wrong.join(', ')}. Run \`npm run generate\` and commit what it writes.`)
  process.exitCode = 1
}

if (import.meta.main) await main(process.argv.includes('--check'))
