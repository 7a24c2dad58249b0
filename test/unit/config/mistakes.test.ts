// Mistakes of flotilla.config.ts: each with file, line and column, all of one file at once.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { loadFleet } from '../../../runtime/config/load.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-mistakes-'))
after(() => rmSync(directory, { recursive: true }))
let files = 0

async function messageOf(text: string, extension = 'ts'): Promise<string> {
  const path = join(directory, `config-${(files += 1)}.${extension}`)
  writeFileSync(path, text)
  const error: unknown = await loadFleet(readEnvironment({ FLOTILLA_CONFIG: path })).catch((e: unknown) => e)
  assert.ok(error instanceof FlotillaError && error.code === 'CONFIG_INVALID', String(error))
  return error.message.replaceAll(path, 'config')
}

const broken: [string, string, string, RegExp][] = [
  [
    'a syntax error of TypeScript',
    'ts',
    'export default {\n  limits: { concurrency 3 },\n}\n',
    /^config:2:25: .*\n {2}2 \| {3}limits: \{ concurrency 3 \},\n {4}\| {25}\^$/,
  ],
  [
    'syntax that Node can not strip',
    'ts',
    'enum A { B }\nexport default {}\n',
    /^config:1:1: TypeScript enum/,
  ],
  [
    'a syntax error of JavaScript',
    'mjs',
    'export default {\n  a: {\n  b c }\n}\n',
    /^config:3:5: Unexpected/,
  ],
  ['code that throws', 'ts', '\nthrow new Error("boom")\n', /^config:2:7: boom\n {2}2 \| throw/],
  [
    'a package that is not installed',
    'ts',
    "import x from 'none-such'\n",
    /^config:1:10: Cannot find package/,
  ],
  [
    'a default export that is rejected',
    'ts',
    '\nexport default Promise.reject(new Error("boom"))\n',
    /^config:2:31: boom\n/,
  ],
  [
    'a promise that nobody handles',
    'ts',
    'Promise.reject(new Error("boom"))\nexport default {}\n',
    /^config:1:16: boom\n/,
  ],
  [
    'a getter that throws',
    'ts',
    '\nexport default { get agents() { throw new Error("boom") } }\n',
    /^config:2:39: boom\n {2}2 \| export/,
  ],
  ['JSON', 'json', '{}', /^config: a configuration is a module .*: name it flotilla\.config\.ts/],
  ['no default export', 'ts', 'export const x = 1\n', /^config: it has no default export/],
]
for (const [name, extension, text, message] of broken)
  test(`${name} has its place`, async () => assert.match(await messageOf(text, extension), message))

test('settings, references and tools with mistakes are reported in one round, each at its place', async () => {
  const message = await messageOf(`import { defineFleet, defineTool } from 'flotilla'
const input = { type: 'object' }
// agents: { clerk: { mode: 1 } }
export default defineFleet({
  tools: [defineTool({ name: 'bad-name', description: 'x', input, run: () => 1 })],
  agents: {
    "clerk": { mode: 'magic', tools: ['nosuch'] },
    'the other': {
      profile: 'none',
    },
  },
  limits: { concurrency: -1, /* , */ queue: { waiting: 0 } },
  models: { prices: [{ model: 'a', input: 1, output: 1 }, { model: 'b', input: -1, output: 1 }] },
  oops: 1,
})
`)
  const [head, ...lines] = message.split('\n')
  assert.match(head ?? '', /^config has 8 mistakes:$/)
  const places = [
    "config:5:11  tool 'bad-name': name must",
    'config:7:16  agents.clerk.mode: ',
    'config:12:13  limits.concurrency: ',
    'config:12:47  limits.queue.waiting: ',
    'config:13:73  models.prices.1.input: ',
    'config:14:3  oops: ',
    'config:7:31  agents.clerk.tools: no tool named nosuch',
    'config:9:7  agents.the other.profile: ',
  ]
  for (const place of places)
    assert.ok(
      lines.some((line) => line.trim().startsWith(place)),
      `${place}\n${message}`,
    )
})

test('names that nothing has are reported: scopes, providers, channels, agents, tools', async () => {
  const message = await messageOf(`import { defineFleet, defineTool } from 'flotilla'
import { askPerson } from 'flotilla/tools'
const pay = { description: 'x', input: { type: 'object' }, run: () => 1 }
const profile = { temperature: 0, maxSteps: 2, timeoutMs: 1000, executor: 'wasm' }
export default defineFleet({
  tools: [
    defineTool({ ...pay, name: 'pay', requiresApproval: { approvers: { scope: 'approvals:decid' } } }),
    defineTool({ ...pay, name: 'fine', requiresApproval: { approvers: { scope: 'approvals:decide' }, notify: ['pager'] } }),
    askPerson({ approvers: { scope: 'approver' } }),
  ],
  agents: { a: { delegates: ['b'], tools: ['nosuch'], overrides: { model: ['gorq/x', 'groq/x'] } } },
  overrides: { model: ['opneai/x'] },
  models: {
    default: 'opena/gpt',
    tiers: { strong: 'anthropc/x', standard: 'gpt-4o' },
    profiles: { p: { ...profile, models: ['local/x', 'scripted', 'ollam/x'] } },
  },
  sessions: { summaryModel: 'mistrl/x' },
  gateway: { jwt: { issuer: 'https://i.example', audience: 'f', everyToken: ['usr'], scopes: { team: ['admn', 'admin'] } } },
})
`)
  const wanted = [
    /tools\.0: pay has approvers\.scope approvals:decid, which is no scope; there are: tasks:submit, .*approvals:decide/,
    /tools\.1: fine notifies pager, which is no channel/,
    /tools\.2: ask_person has approvers\.scope approver, which is no scope/,
    /agents\.a\.delegates\.0: no agent named b/,
    /agents\.a\.tools: no tool named nosuch/,
    /agents\.a\.overrides\.model\.0: no provider named gorq; there are: openai, .*models\.providers/,
    /overrides\.model\.0: no provider named opneai/,
    /models\.default: no provider named opena;/,
    /models\.tiers\.strong: no provider named anthropc/,
    /models\.profiles\.p\.models\.2: no provider named ollam/,
    /sessions\.summaryModel: no provider named mistrl/,
    /gateway\.jwt\.everyToken: no scope or role named usr; there are: user, .*tasks:submit/,
    /gateway\.jwt\.scopes\.team: no scope or role named admn/,
  ]
  for (const each of wanted) assert.match(message, each)
  assert.match(message, new RegExp(`^config has ${wanted.length} mistakes`))
})

test('a tool with mistakes that no agent lists is reported too, and at every load', async () => {
  const path = join(directory, 'unlisted.ts')
  writeFileSync(
    path,
    `import { defineTool } from 'flotilla'
export const tool = defineTool({ name: 'print', description: 'x', input: { type: 'object' }, run: () => 1 })
export default { tools: [tool] }\n`,
  )
  for (let time = 0; time < 2; time++)
    await assert.rejects(
      loadFleet(readEnvironment({ FLOTILLA_CONFIG: path })),
      /unlisted\.ts:2:21 {2}tool 'print'/,
    )
})

test('what code builds is placed where the configuration begins', async () => {
  assert.match(
    await messageOf('const limits = { concurrency: 0 }\nexport default { ...{ limits } }\n'),
    /config:2:1 {2}limits\.concurrency/,
  )
})

test('outside of a configuration a tool with mistakes throws at once', () => {
  const define = () => defineTool({ name: 'a-b', description: 'x', input: { type: 'object' }, run: () => 1 })
  assert.throws(define, { code: 'CONFIG_INVALID', message: /tool 'a-b': name must/ })
})

test('of very many mistakes a message has whole lines, and how many more there are', async () => {
  const message = await messageOf(`import { defineFleet, defineTool } from 'flotilla'
const names = (name) => Array.from({ length: 200 }, (_, index) => name + index)
export default defineFleet({
  tools: names('tool').map((name) => defineTool({ name, description: 'x', input: { type: 'object' }, run: () => 1 })),
  agents: Object.fromEntries(names('agent').map((name) => [name, { tools: names('wrong') }])),
})
`)
  const lines = message.split('\n')
  assert.equal(lines[0], 'config has 40,000 mistakes:')
  assert.match(
    lines[1] ?? '',
    /^ {2}config:5:\d+ {2}agents.agent0.tools: no tool named wrong0; there are: tool0, .*tool19 and 180 more$/,
  )
  for (const line of lines.slice(1, -1)) assert.match(line, /^ {2}config:5:\d+ {2}agents\..* and 180 more$/)
  assert.equal(lines.at(-1), `  … and ${(40_000 - (lines.length - 2)).toLocaleString('en-US')} more mistakes`)
})

test('an empty file has no default export, although Node gives it an object', async () => {
  for (const text of ['', '// nothing yet\n', 'module.exports = {}\n'])
    assert.match(
      await messageOf(text),
      /^config: it has no default export; write: export default defineFleet/,
    )
})
