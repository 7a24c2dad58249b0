// Blocks of code in pages, by their language: TypeScript is type-checked, and what it configures is checked as a fleet's
// configuration; YAML, JSON, Python and shell are parsed, and values of the chart and bodies of tasks validated.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { registerHooks } from 'node:module'
import { after, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'
import { openApi } from '../../../api/openapi.ts'
import { readEnvironment } from '../../../runtime/config/environment.ts'
import { completeFleet } from '../../../runtime/config/load.ts'
import { compileSchema } from '../../support/json-schema.ts'
import { isPage } from '../house/rules-docs.ts'
import { root, textFiles } from '../house/tree.ts'
import { fencedBlocks, type Snippet } from './snippets.ts'

const run = promisify(execFile)
const pages = textFiles().filter((file) => isPage(file) && !/^(CHANGELOG\.md$|docs\/adr\/)/.test(file.path))
const blocks = pages.flatMap(({ path, text }) => fencedBlocks(path, text))
const of = (...languages: string[]): Snippet[] => blocks.filter(({ language }) => languages.includes(language))

const directory = join(root, `.cache/snippets-${process.pid}`)
mkdirSync(directory, { recursive: true })
after(() => rmSync(directory, { recursive: true, force: true }))

test('a block says its language, and one that a test knows', () => {
  const known = ['text', 'sh', 'bash', 'ts', 'js', 'json', 'yaml', 'python', 'sql', '']
  assert.deepEqual(blocks.filter(({ language }) => !known.includes(language)).map(({ place }) => place), [])
})

/** What pages take as given: imports, and a reader's own program. */
const given = `
import { OpenAI } from 'openai'
import { z } from 'zod'
import { defineFleet, defineTool, type Client } from 'flotilla'
import { askPerson, fetchPage } from 'flotilla/tools'
declare const payBack: (order: string, amount: number) => unknown
declare const payments: { create(of: object): Promise<unknown>; find(key: string): Promise<unknown> }
`
const aClient = 'declare const client: Client\n'
/** A definition that only names its parts. */
const parts = ['agents', 'mcpServers', 'models', 'limits', 'sessions', 'metering', 'telemetry', 'alerts', 'gateway']
const noParts = `${parts.map((name) => `const ${name} = {}\n`).join('')}const tools: [] = []\n`

/** A block that is the inside of a definition begins with one of its keys. */
const isFragment = (text: string): boolean => /^[a-zA-Z]+: /.test(text.trim())
const isDefinition = ({ text, file }: Snippet): boolean =>
  file === null && (isFragment(text) || text.includes('export default defineFleet'))

function moduleOf({ text, file }: Snippet): string {
  if (file !== null) return text
  const code = isFragment(text) ? `export default defineFleet({\n${text}\n})` : text
  const own = text.includes('{ agents, tools, ') ? noParts : ''
  return given + (text.includes('const client') ? '' : aClient) + own + code
}

/** The names of the package lead to what is built; here they lead to the sources. */
registerHooks({
  resolve: (name, context, next) => next(sources.get(name) ?? name, context),
})
const sources = new Map(
  [
    ['flotilla', 'client/index.ts'],
    ['flotilla/tools', 'services/tool-executor/tools/index.ts'],
    ['flotilla/evaluation', 'evaluation/index.ts'],
  ].map(([name = '', path = '']) => [name, pathToFileURL(join(root, path)).href]),
)

const programs = of('ts').map((block, index) => ({ ...block, path: join(directory, `block-${index}.ts`) }))
for (const block of programs) writeFileSync(block.path, moduleOf(block))

test('TypeScript is type-checked', async () => {
  assert.ok(programs.length > 15 && programs.filter(isDefinition).length > 8)
  const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, incremental: false, tsBuildInfoFile: null }
  const config = join(directory, 'tsconfig.json')
  const files = programs.map(({ path }) => path)
  writeFileSync(config, JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions, files, include: [] }))
  const checked = await run(join(root, 'node_modules/.bin/tsc'), ['-p', config]).catch((error: { stdout: string }) => error)
  const shown = checked.stdout.replaceAll(/\S*block-(\d+)\.ts/g, (_, index) => programs[Number(index)]?.place ?? '')
  assert.equal(shown, '')
})

test('what TypeScript configures is a configuration', async () => {
  const environment = readEnvironment({ FLOTILLA_MODEL: 'scripted', TRACKER_TOKEN: 'none', ...alertVariables })
  const wrong: string[] = []
  for (const { place, path } of programs.filter(isDefinition)) {
    const { default: definition } = (await import(pathToFileURL(path).href)) as { default: unknown }
    try {
      completeFleet(definition, environment, place)
    } catch (error) {
      // The lock of MCP servers is a reader's own: `flotilla mcp sync` makes it.
      const mistakes = String(error).split('\n').slice(1)
      wrong.push(...mistakes.filter((line) => !line.includes('there is no flotilla.mcp-lock.json')))
    }
  }
  assert.deepEqual(wrong, [])
})

/** Secrets of the channels that pages name. */
const alertVariables = {
  PAGERDUTY_ROUTING_KEY: 'x'.repeat(32),
  SLACK_WEBHOOK_URL: 'https://hooks.slack.example/x',
  SMTP_URL: 'smtp://user:password@host.example:587',
  ALERT_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
}

/** The chart's schema is of draft 7, and uses nothing that differs. */
const draft2020 = 'https://json-schema.org/draft/2020-12/schema'

test('YAML is YAML, and values of the chart are what it takes', () => {
  const schema = JSON.parse(readFileSync(join(root, 'deploy/helm/flotilla/values.schema.json'), 'utf8')) as object
  const mistakeIn = compileSchema({ ...schema, $schema: draft2020 })
  const values: string[] = []
  for (const { place, text } of of('yaml')) {
    const documents = parseAllDocuments(text, { prettyErrors: true })
    assert.deepEqual(documents.flatMap(({ errors }) => errors), [], place)
    if (!/values\.yaml/.test(text)) continue
    values.push(place)
    assert.equal(mistakeIn(documents[0]?.toJS() ?? {}), null, place)
  }
  assert.ok(values.length > 0)
})

test('a body of a task is one that the API takes', () => {
  const { components, paths } = openApi()
  const body = paths['/v1/tasks']?.['post']?.requestBody as unknown
  const { schema } = (body as { content: Record<string, { schema: object }> }).content['application/json'] ?? {}
  const text = JSON.stringify({ ...schema, $defs: components.schemas }).replaceAll('#/components/schemas/', '#/$defs/')
  const mistakeIn = compileSchema(JSON.parse(text) as object)
  const bodies = [
    ...of('json').flatMap(({ place, text: body }) => (/^\{\s*"text": /.test(body) ? [{ place, body }] : [])),
    ...of('sh', 'bash').flatMap(({ place, text: lines }) =>
      [...lines.matchAll(/\/v1\/tasks[?'" \\][^{]*?-d '(\{[^']*\})'/g)].map(([, body = '']) => ({ place, body })),
    ),
  ]
  assert.ok(bodies.length >= 2)
  for (const { place, body } of bodies) assert.equal(mistakeIn(JSON.parse(body)), null, `${place}: ${body}`)
})

/** Runs a program over the block; its errors have the place. */
async function parsed(program: string, args: readonly string[], { place, text }: Snippet): Promise<void> {
  const running = run(program, args)
  running.child.stdin?.end(text)
  await running.catch((error: Error) => assert.fail(`${place}: ${error.message}`))
}

test('shell, Python and JavaScript are parsed', async () => {
  const python = 'import ast, sys; ast.parse(sys.stdin.read())'
  const some = of('python')
  assert.ok(some.length > 3)
  for (const block of some) await parsed('python3', ['-c', python], block)
  for (const block of of('js')) await parsed(process.execPath, ['--check', '--input-type=module', '-'], block)
  const shell = of('sh', 'bash').map((block) => ({ ...block, text: withoutPlaceholders(block.text) }))
  await Promise.all(shell.map((block) => parsed('bash', ['-n'], block)))
})

/** `<directory>` stands for a word. */
const withoutPlaceholders = (text: string): string => text.replaceAll(/<[a-z][\w \-|']*>/g, 'word')
