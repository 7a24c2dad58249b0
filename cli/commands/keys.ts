// Keys of the HTTP API.
import { type Command, InvalidArgumentError } from 'commander'
import type { KeyView, NewKey } from '../../api/keys.ts'
import { roleNames, roles, scopesNamed, allScopes, type Role, type Scope } from '../../api/scopes.ts'
import { usingOperator } from '../../operator/connect.ts'
import { parseKey } from '../../operator/direct/keys.ts'
import { duration } from '../program/arguments.ts'
import { defaultSubcommand } from '../program/default-subcommand.ts'
import { paint, print, printJson, printSecret, say } from '../output/output.ts'
import { printTable, type Column } from '../output/table.ts'
import { moment } from '../output/units.ts'

export function defineKeys(command: Command): void {
  command.description('keys of the HTTP API: who may do what')
  defaultSubcommand(command, 'list')
    .description('every key with its user, scopes and last use; never the key itself')
    .option('--json', 'JSON on stdout')
    .action(list)
  command
    .command('create')
    .description('make a key, and print it on stdout: it is shown this once')
    .argument('<name>', 'what it is for; several keys may have the same')
    .option(
      '--user <id>',
      'it submits, reads, cancels and decides as this user; without it for every user, and decides as nobody',
    )
    .option('--role <role>', `a usual set of scopes: ${roleNames.join(', ')}`, role)
    .option('--scope <scopes>', 'more scopes, separated by commas', scopeList)
    .option('--agent <names>', 'it may submit tasks of these agents only, separated by commas', names)
    .option('--expires <time>', 'how long it is good, such as 90d', duration)
    .option('--json', 'JSON on stdout')
    .addHelpText('after', help)
    .action(create)
  command
    .command('revoke')
    .description('end a key; every gateway refuses it within 5 seconds')
    .argument('<id>', 'as flotilla keys shows it: the part after flk_')
    .option('--json', 'JSON on stdout')
    .action(revoke)
}

const PER_LINE = 4

/** In lines that fit the help, indented below a role's name. */
function wrapped(scopes: readonly Scope[]): string {
  const lines = scopes.flatMap((_, at) =>
    at % PER_LINE === 0 ? [scopes.slice(at, at + PER_LINE).join(', ')] : [],
  )
  return lines.join(`,\n${' '.repeat(12)}`)
}

const help = `
Roles:
${roleNames.map((name) => `  ${name.padEnd(9)} ${wrapped(roles[name])}`).join('\n')}

With the first key the HTTP API is closed: from then on every client needs one
(FLOTILLA_API_KEY). Without a --role and --scope it is a user's key.`

function role(name: string): Role {
  const found = roleNames.find((each) => each === name)
  if (found !== undefined) return found
  throw new InvalidArgumentError(`It must be one of ${roleNames.join(', ')}.`)
}

/** An option that is given again adds to what it gave before. */
const names = (list: string, before: readonly string[] = []): string[] => [
  ...before,
  ...list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean),
]

function scopeList(list: string, before: readonly Scope[] = []): Scope[] {
  const { scopes, unknown } = scopesNamed(names(list))
  if (unknown.length === 0 && scopes.length > 0) return [...before, ...scopes]
  throw new InvalidArgumentError(
    `There is no scope ${unknown.join(', ')}. There are ${allScopes.join(', ')}.`,
  )
}

interface CreateOptions {
  user?: string
  role?: Role
  scope?: Scope[]
  agent?: string[]
  expires?: number
  json?: boolean
}

async function create(name: string, options: CreateOptions): Promise<void> {
  const { user, scope = [], agent, expires, json } = options
  const chosen = options.role ?? (options.scope === undefined ? 'user' : null)
  const scopes = [...(chosen === null ? [] : roles[chosen]), ...scope]
  const key: NewKey = {
    name,
    scopes: [...new Set(scopes)],
    userId: user ?? null,
    agents: agent ?? null,
    expiresAtMs: expires === undefined ? null : Date.now() + expires,
  }
  const created = await usingOperator((operator) => operator.keys.create(key), { needs: 'new database' })
  if (json) printSecret(JSON.stringify(created))
  else {
    printSecret(created.key)
    say(paint('dim', `${actsFor(created)}: ${created.scopes.join(', ')}.`))
    if (created.userId === null && created.scopes.includes('approvals:decide'))
      say(
        paint('dim', 'Its decisions are no person’s: calls that need one are decided by keys with a --user.'),
      )
    say(
      paint('dim', 'It is not shown again. Clients send it as FLOTILLA_API_KEY, or authorization: Bearer …'),
    )
  }
  process.exit(0)
}

const actsFor = ({ userId }: KeyView): string =>
  userId === null ? 'It acts for every user' : `It acts as the user ${userId}`

async function list({ json }: { json?: boolean }): Promise<void> {
  const keys = await usingOperator((operator) => operator.keys.list(), { needs: 'database' })
  if (json) printJson(keys)
  else if (keys.length === 0) print('There are no keys: the HTTP API is open, or takes other credentials.')
  else showKeys(keys)
  process.exit(0)
}

const columns: readonly Column[] = [
  { name: 'id', keep: true },
  { name: 'name' },
  { name: 'user' },
  { name: 'state' },
  { name: 'scopes' },
  { name: 'last used', keep: true },
  { name: 'agents', optional: true },
  { name: 'created', keep: true, optional: true },
]

function showKeys(keys: readonly KeyView[]): void {
  const nowMs = Date.now()
  const rows = keys.map((key) => [
    key.id,
    key.name,
    key.userId ?? 'every user',
    stateOf(key, nowMs),
    shownScopes(key),
    key.lastUsedAtMs === null ? 'never' : moment(key.lastUsedAtMs),
    key.agents?.join(', ') ?? 'all',
    moment(key.createdAtMs),
  ])
  printTable(columns, rows, (index) => (isOver(keys[index], nowMs) ? 'dim' : null))
}

/** The name of the role that they are, if they are one. */
function shownScopes({ scopes }: KeyView): string {
  const own = [...scopes].sort().join(', ')
  return roleNames.find((name) => [...roles[name]].sort().join(', ') === own) ?? scopes.join(', ')
}

function stateOf({ revokedAtMs, expiresAtMs }: KeyView, nowMs: number): string {
  if (revokedAtMs !== null) return 'revoked'
  if (expiresAtMs === null) return 'good'
  return expiresAtMs <= nowMs ? 'expired' : `until ${moment(expiresAtMs)}`
}

const isOver = (key: KeyView | undefined, nowMs: number): boolean =>
  key !== undefined && (key.revokedAtMs !== null || (key.expiresAtMs !== null && key.expiresAtMs <= nowMs))

async function revoke(given: string, { json }: { json?: boolean }): Promise<void> {
  // A whole key pasted here must not get into an address.
  const id = parseKey(given)?.id ?? given
  const revoked = await usingOperator((operator) => operator.keys.revoke(id), { needs: 'database' })
  if (json) printJson(revoked)
  else print(`${paint('cyan', revoked.id)} (${revoked.name}) is revoked; gateways refuse it within 5 s.`)
  process.exit(0)
}
