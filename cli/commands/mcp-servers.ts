// Subcommands of `flotilla mcp` about the servers whose tools the fleet uses.
import type { Command } from 'commander'
import { readEnvironment } from '../../runtime/config/environment.ts'
import { loadMcpServers } from '../../runtime/config/mcp/load.ts'
import { readMcpLock } from '../../runtime/config/mcp/lock.ts'
import { mcpTools } from '../../runtime/config/mcp/tools.ts'
import { messageOf } from '../../runtime/errors.ts'
import { exitCodes } from '../program/exit-codes.ts'
import { syncedLines, syncServers, type Synced } from '../actions/mcp-sync.ts'
import { paint, print, printJson, say } from '../output/output.ts'
import { printTable } from '../output/table.ts'
import { plural } from '../output/units.ts'

export function defineMcpServers(command: Command): void {
  command
    .command('sync')
    .description(
      'read the tools of the MCP servers, show what changed, and pin them in flotilla.mcp-lock.json',
    )
    .argument('[servers...]', 'names in mcpServers (default: all)')
    .option('--check', 'change nothing; exit code 1 if the servers differ from what is pinned')
    .option('--user <id>', 'user whose credentials are used for servers with perUser')
    .option('--json', 'JSON on stdout')
    .addHelpText(
      'after',
      '\nCommit the file. A tool that its server changes is refused until it is\nsynced again.',
    )
    .action(sync)
  command
    .command('list')
    .description('tools of the MCP servers as they are pinned, with the names that agents call')
    .option('--json', 'JSON on stdout')
    .action(list)
}

interface SyncFlags {
  check?: boolean
  user?: string
  json?: boolean
}

async function sync(names: string[], { check = false, user, json = false }: SyncFlags): Promise<void> {
  const environment = readEnvironment(process.env)
  const synced = await syncServers(environment, { names, userId: user, write: !check })
  if (synced === null) {
    if (json) printJson({ servers: [], changes: [] })
    else print('The configuration has no mcpServers.')
    process.exit(0)
  }
  if (json)
    printJson({
      ...synced,
      unread: synced.unread.map(({ server, error }) => ({ server, error: messageOf(error) })),
    })
  else for (const line of [...syncedLines(synced), summary(synced, check)]) print(line)
  process.exit(codeOf(synced, check))
}

function summary({ servers, unread, changes, written, file }: Synced, check: boolean): string {
  const count = plural(changes.length, 'change')
  if (written) return `${count}; wrote ${file}: review it, and commit it.`
  const read = servers.filter((name) => !unread.some(({ server }) => server === name))
  if (read.length === 0) return `No server was read; ${file} stays as it is.`
  if (changes.length === 0) return `${read.join(', ')}: as pinned in ${file}.`
  return check ? `${count} against ${file}. If they are wanted: flotilla mcp sync` : count
}

function codeOf({ changes, unread }: Synced, check: boolean): number {
  if (unread.length > 0) return exitCodes.unavailable.code
  return check && changes.length > 0 ? exitCodes.failed.code : exitCodes.success.code
}

async function list({ json = false }: { json?: boolean }): Promise<void> {
  const { servers, lock } = await loadMcpServers(readEnvironment(process.env))
  const { tools, mistakes } = mcpTools(servers, readMcpLock(lock))
  const rows = tools.map(
    ({ spec: { name, source, idempotent, requiresApproval, reads = [], description } }) => ({
      tool: name,
      server: source?.server ?? '',
      nameThere: source?.tool ?? null,
      repeatable: idempotent,
      approval: requiresApproval,
      reads,
      description,
    }),
  )
  if (json) printJson(rows)
  else if (rows.length > 0)
    printTable(
      [
        { name: 'tool', keep: true },
        { name: 'server' },
        { name: 'name there' },
        { name: 'approval' },
        { name: 'repeatable' },
        { name: 'description', optional: true },
      ],
      rows.map((row) => [
        row.tool,
        row.server,
        row.nameThere ?? 'its resources',
        row.approval ? 'needed' : '–',
        row.repeatable ? 'yes' : 'no',
        row.description,
      ]),
    )
  else if (servers.length === 0)
    print('No MCP server: add mcpServers to flotilla.config.ts, then run flotilla mcp sync.')
  else print('No tool of an MCP server is pinned.')
  for (const mistake of mistakes) say(paint('yellow', mistake))
  process.exit(0)
}
