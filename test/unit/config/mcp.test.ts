// mcpServers in the configuration, and what the lock file makes of them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { completeMcpServers, isAllowedTool, mcpServersSchema } from '../../../runtime/config/mcp/servers.ts'
import { pinHash, type DescribedTool, type McpLock } from '../../../runtime/config/mcp/lock.ts'
import { mcpToolNames } from '../../../runtime/config/mcp/names.ts'
import { mcpTools } from '../../../runtime/config/mcp/tools.ts'
import { references } from '../../../runtime/config/references.ts'
import { settingsOf } from '../../../runtime/config/effective.ts'
import { lockChanges } from '../../../runtime/config/mcp/lock-diff.ts'

const described: DescribedTool = {
  description: 'Finds.',
  input: { type: 'object', properties: { q: { type: 'string' } } },
  output: null,
  hints: {},
}
const lockOf = (tools: Record<string, DescribedTool>): McpLock => ({
  servers: {
    srv: {
      server: 'srv 1',
      protocol: '2026-07-28',
      resources: false,
      tools: Object.fromEntries(
        Object.entries(tools).map(([name, tool]) => [name, { ...tool, hash: pinHash(name, tool) }]),
      ),
    },
  },
})
const mistakesIn = (mcpServers: unknown): string => {
  try {
    completeFleet({ mcpServers }, readEnvironment({}), 'test')
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('every mistake is named with its path', () => {
  const said = mistakesIn({
    neither: {},
    both: { command: 'x', url: 'https://x.example' },
    'bad-name': { command: 'x' },
    mixed: { url: 'https://x.example', env: ['A'] },
    secret: { url: 'https://user:pass@x.example' },
    unknown: { command: 'x', tool: [] },
  })
  assert.match(said, /mcpServers\.neither: needs either command/)
  assert.match(said, /mcpServers\.both: needs either command/)
  assert.match(said, /mcpServers\.bad-name: the name of a server/)
  assert.match(said, /mcpServers\.mixed\.env: is for servers with a command/)
  assert.match(said, /mcpServers\.secret\.url: must be a URL.*without user and password/)
  assert.match(said, /mcpServers\.unknown\.tool: there is no such setting/)
})

test('names are identifiers, each its own, and no longer than models take', () => {
  const long = 'x'.repeat(100)
  const names = mcpToolNames('srv_', ['create-issue', 'a.b', 'a_b', long, `${long}y`])
  assert.equal(names.get('create-issue'), 'srv_create_issue')
  assert.match(names.get('a.b') ?? '', /^srv_a_b_[0-9a-f]{8}$/)
  assert.equal(new Set(names.values()).size, 5)
  assert.deepEqual(
    [...names.values()].filter((name) => !/^[A-Za-z_]\w{0,63}$/.test(name)),
    [],
  )
})

test('a server can give no tool the name that another of its tools ends up with', () => {
  const pair = ['a.b', 'a_b']
  const hashed = mcpToolNames('srv_', pair).get('a.b') ?? ''
  const names = mcpToolNames('srv_', [...pair, hashed.slice('srv_'.length)])
  assert.equal(new Set(names.values()).size, 3, [...names.values()].join())
})

test('the tool that reads resources has a name of its own beside one that would become it', () => {
  const pinned = { description: 'Reads.', input: { type: 'object' }, output: null, hints: {}, hash: 'x' }
  const server = { server: 's', protocol: '2026-07-28', resources: true, tools: { 'read-resource': pinned } }
  const { tools, mistakes } = mcpTools(completeMcpServers({ srv: { command: 'x' } }), {
    servers: { srv: server },
  })
  assert.deepEqual(mistakes, [])
  assert.equal(new Set(tools.map(({ spec }) => spec.name)).size, 2)
  assert.deepEqual(
    tools.map(({ spec }) => spec.source?.tool),
    ['read-resource', null],
  )
})

test('filters: a list, a beginning, and what is taken from both', () => {
  const server = { tools: { allow: ['get_*', 'search'], deny: ['get_secret'] } }
  const names = ['get_a', 'get_secret', 'search', 'delete']
  assert.deepEqual(
    names.filter((name) => isAllowedTool(server, name)),
    ['get_a', 'search'],
  )
})

test('a tool that the configuration names and the lock file lacks is a mistake', () => {
  const servers = completeMcpServers({
    srv: { command: 'x', tools: { allow: ['find', 'lost'] } },
    other: { command: 'y' },
  })
  const { tools, mistakes } = mcpTools(servers, lockOf({ find: described }))
  assert.deepEqual(
    tools.map(({ spec }) => spec.name),
    ['srv_find'],
  )
  assert.equal(mistakes.length, 2)
  assert.match(mistakes.join('\n'), /no tool lost of it.*\n.*mcpServers\.other: .* does not have it/)
})

test('two servers whose tools get the same name are told apart by a prefix', () => {
  const servers = completeMcpServers({ srv: { command: 'x' } })
  const { tools } = mcpTools(servers, lockOf({ find: described }))
  const fleet = completeFleet({}, readEnvironment({}), 'test')
  assert.match(
    references({ ...fleet, tools: [...tools, ...tools] }).join(),
    /mcpServers\.srv\.tools: a second tool named srv_find.*prefix/,
  )
})

test('a hash covers what a model reads and what decides about a call, not the order of properties', () => {
  const hash = pinHash('find', described)
  assert.equal(
    pinHash('find', { ...described, input: { properties: { q: { type: 'string' } }, type: 'object' } }),
    hash,
  )
  for (const change of [
    { description: 'Finds. ' },
    { input: { type: 'object' } },
    { output: { type: 'object' } },
    { hints: { readOnlyHint: true } },
  ])
    assert.notEqual(pinHash('find', { ...described, ...change }), hash, JSON.stringify(change))
  assert.notEqual(pinHash('other', described), hash)
})

test('differences are shown down to the property of a schema', () => {
  const after = lockOf({
    find: { ...described, input: { type: 'object', properties: { q: { type: 'number' } } } },
    more: described,
  })
  const changes = lockChanges(lockOf({ find: described, gone: described }), after)
  assert.deepEqual(
    changes.map(({ tool, change, parts }) => [tool, change, parts]),
    [
      ['find', 'changed', ['input.properties.q.type: "string" → "number"']],
      ['gone', 'removed', []],
      ['more', 'added', ['Finds.']],
    ],
  )
})

test('the effective configuration shows no pinned tools and no functions', () => {
  const environment = readEnvironment({})
  const fleet = completeFleet({}, environment, 'test')
  const servers = completeMcpServers({ srv: { url: 'https://x.example', perUser: () => ({}) } })
  const { servers: pinned } = mcpTools(servers, lockOf({ find: described }))
  const shown = settingsOf(environment, { ...fleet, mcpServers: pinned }).filter(({ name }) =>
    name.startsWith('mcpServers'),
  )
  assert.ok(shown.some(({ name }) => name === 'mcpServers.srv.perUser'))
  assert.ok(!shown.some(({ name }) => name.includes('pinned')))
})

test('settings of a tool say who approves its calls, by which rule, and what becomes of one in doubt', async () => {
  const when = ({ q }: { q?: unknown }) => q !== 'safe'
  const terms = { when, needed: 2, approvers: { users: ['ann', 'bo'] }, notify: ['lost'] }
  const settings = { find: { requiresApproval: terms, inDoubt: 'hold' as const } }
  const given = { srv: { command: 'x', tools: { settings } } }
  assert.ok(mcpServersSchema.safeParse(given).success)
  const { tools } = mcpTools(completeMcpServers(given), lockOf({ find: described }))
  const [tool] = tools
  const { approval, requiresApproval, inDoubt } = tool?.spec ?? {}
  assert.deepEqual([requiresApproval, inDoubt, approval?.rule, approval?.needed], [true, 'hold', 'when', 2])
  assert.deepEqual(approval?.approvers.users, ['ann', 'bo'])
  assert.deepEqual(
    await Promise.all([{ q: 'safe' }, { q: 'x' }, { q: 5.5 }].map((input) => tool?.needsApproval?.(input))),
    [false, true, true],
    'what does not fit needs a person too',
  )
  const fleet = completeFleet({}, readEnvironment({}), 'test')
  assert.match(references({ ...fleet, tools }).join(), /lost/, 'its channels must exist')
  const repeatable = { find: { idempotent: true, inDoubt: 'hold' as const } }
  const [other] = mcpTools(
    completeMcpServers({ srv: { command: 'x', tools: { settings: repeatable } } }),
    lockOf({ find: described }),
  ).tools
  assert.equal(other?.spec.inDoubt, undefined)
})

for (const [what, requiresApproval] of [
  ['too many', { needed: 3, approvers: { users: ['ann'] } }],
  ['an unknown setting', { people: 2 }],
  ['a rule that is none', { when: 'always' }],
] as const)
  test(`terms of an approval with ${what} are a mistake`, () => {
    const { error } = mcpServersSchema.safeParse({
      srv: { command: 'x', tools: { settings: { find: { requiresApproval } } } },
    })
    assert.match(JSON.stringify(error?.issues), /requiresApproval/)
  })
