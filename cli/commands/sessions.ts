// Sessions: list them, look at one, export it, delete it.
import type { Command } from 'commander'
import type { KeptVariablesView, SessionDetail, SessionView } from '../../api/sessions.ts'
import { usingOperator } from '../../operator/connect.ts'
import type { SessionOperator } from '../../operator/direct/sessions.ts'
import { wholeNumber } from '../program/arguments.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { seconds } from '../output/render.ts'
import { printTable, type Column } from '../output/table.ts'
import { moment, plural } from '../output/units.ts'

export function defineSessions(command: Command): void {
  command.description('sessions: conversations whose turns are tasks')
  command
    .command('list', { isDefault: true })
    .description('sessions, the one used last first')
    .option('--user <id>', 'of this user')
    .option('--limit <n>', 'how many at most (default: 100)', wholeNumber)
    .option('--after <next>', 'the next page: the "next" of the page before')
    .option('--json', '{"sessions": …, "next": …} on stdout')
    .action(list)
  command
    .command('show')
    .description('its turns, and the summary of what is no longer remembered whole')
    .argument('<sessionId>')
    .option('--json', 'one JSON object on stdout')
    .action(show)
  command
    .command('export')
    .description('its turns on stdout, a line of JSON each, the oldest first')
    .argument('<sessionId>')
    .action(exportTurns)
  command
    .command('delete')
    .description('delete it: what runs is cancelled, what waits is refused, its texts leave the ledger')
    .argument('<sessionId>')
    .option('--json', 'one JSON object on stdout')
    .action(remove)
}

const columns: readonly Column[] = [
  { name: 'session', keep: true },
  { name: 'user' },
  { name: 'turns', kind: 'figure' },
  { name: 'begun', keep: true, optional: true },
  { name: 'last turn', keep: true },
]

const cellsOf = ({ sessionId, userId, turns, begunAtMs, lastAtMs }: SessionView): string[] => [
  sessionId,
  userId ?? '–',
  String(turns),
  moment(begunAtMs),
  moment(lastAtMs),
]

interface ListFlags {
  user?: string
  limit?: number
  after?: string
  json?: boolean
}

async function list({ json, ...query }: ListFlags): Promise<void> {
  await usingOperator(async ({ sessions }) => {
    const page = await sessions.list(query)
    if (json) return printJson(page)
    if (page.sessions.length === 0) print('No sessions. One is listed when its first turn has ended.')
    else printTable(columns, page.sessions.map(cellsOf))
    if (page.next !== null)
      say(`There are more: flotilla sessions list --after '${page.next}' with the same options`)
  })
  process.exit(0)
}

async function show(id: string, { json }: { json?: boolean }): Promise<void> {
  await usingOperator(async ({ sessions }) => {
    const turns: SessionDetail['list'] = []
    const first = await sessions.get(id)
    for await (const page of pages(sessions, id, first)) turns.push(...page.list)
    const session = { ...first, list: turns, next: null }
    if (json) return printJson(session)
    print(`${session.sessionId}  user ${session.userId ?? '–'}  ${plural(session.turns, 'turn')}`)
    if (session.summary !== null)
      print(paint('dim', `Turns 1 to ${session.summaryThrough} in short:\n${session.summary}`))
    for (const line of variableLines(session.variables, Date.now())) print(paint('dim', line))
    for (const { turn, taskId, status, asked, answered, atMs } of turns)
      print(`\n${turn}  ${moment(atMs)}  ${status}  ${taskId}\n> ${asked}\n${answered}`)
  })
  process.exit(0)
}

function variableLines(variables: KeptVariablesView | null, nowMs: number): string[] {
  if (variables === null) return []
  const { untilMs, owners } = variables
  const isOver = untilMs < nowMs
  return owners.map(({ agent, executor, steps, chars, computeMs, gone }) => {
    const whose = `Python variables of ${agent} (${executor})`
    if (gone !== undefined) return `${whose}: gone, because ${gone}`
    if (steps === 0) return `${whose}: none`
    const size = `${plural(steps, 'step')}, ${chars.toLocaleString('en')} characters, ${seconds(computeMs)} to run`
    return `${whose}: ${size}; ${isOver ? 'gone since' : 'kept until'} ${moment(untilMs)}`
  })
}

async function exportTurns(id: string): Promise<void> {
  await usingOperator(async ({ sessions }) => {
    for await (const { list: turns } of pages(sessions, id, await sessions.get(id)))
      for (const turn of turns) printJson({ sessionId: id, ...turn })
  })
  process.exit(0)
}

async function* pages(
  sessions: SessionOperator,
  id: string,
  first: SessionDetail,
): AsyncGenerator<SessionDetail> {
  yield first
  for (let after = first.next; after !== null;) {
    const page = await sessions.get(id, { after })
    yield page
    after = page.next
  }
}

async function remove(id: string, { json }: { json?: boolean }): Promise<void> {
  const removed = await usingOperator(({ sessions }) => sessions.remove(id))
  if (json) printJson(removed)
  else print(`Session ${id} is being deleted.`)
  process.exit(0)
}
