// The house rules, each over the whole project, and each seen to find what it is for in a project made up to break it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseModule, type Module } from './module.ts'
import * as code from './rules-code.ts'
import * as exported from './rules-exports.ts'
import * as named from './rules-files.ts'
import * as imported from './rules-imports.ts'
import * as words from './rules-words.ts'
import { isTypeScript, root, textFiles, type TextFile } from './tree.ts'

const files = textFiles()
const modules = files.filter(isTypeScript).map(parseModule)
const json = <T>(path: string): T => JSON.parse(readFileSync(join(root, path), 'utf8')) as T

/** A project of a few files: path → text. */
type Sample = Readonly<Record<string, string>>
const filesOf = (sample: Sample): TextFile[] => Object.entries(sample).map(([path, text]) => ({ path, text }))
const modulesOf = (sample: Sample): Module[] => filesOf(sample).map(parseModule)

interface Rule {
  readonly name: string
  readonly check: (modules: readonly Module[]) => string[]
  /** Each breaks the rule in a way of its own. */
  readonly broken: readonly Sample[]
}

function ruleOfModules({ name, check, broken }: Rule): void {
  test(name, () => assert.deepEqual(check(modules), []))
  for (const [index, sample] of broken.entries())
    test(`${name}: broken, case ${index + 1}`, () => assert.notDeepEqual(check(modulesOf(sample)), []))
}

function ruleOfFiles(name: string, check: (files: readonly TextFile[]) => string[], broken: Sample[]): void {
  test(name, () => assert.deepEqual(check(files), []))
  for (const [index, sample] of broken.entries())
    test(`${name}: broken, case ${index + 1}`, () => assert.notDeepEqual(check(filesOf(sample)), []))
}

const lines = (count: number): string => 'export const x = 1\n'.repeat(count)

test('the rules see the project', () => {
  assert.ok(modules.length > 250, `${modules.length} modules`)
  const stages = modules.filter(imported.isStage)
  assert.ok(stages.length >= 6, `${stages.length} stages`)
  const byPath = new Map(modules.map((module) => [module.path, module]))
  const planner = byPath.get('services/planner/stage.ts') as Module
  const parts = imported.stageFiles(planner, byPath).map(({ path }) => path)
  assert.ok(parts.includes('services/planner/step.ts') && parts.includes('runtime/errors.ts'), parts.join())
})

describe('who imports whom', () => {
  ruleOfModules({
    name: 'directions: services apart, schemas alone, runtime below, cli on top',
    check: imported.importDirections,
    broken: [
      { 'services/router/stage.ts': `import { x } from '../planner/turn.ts'` },
      { 'services/router/stage.ts': `import type { X } from '../planner/turn.ts'` },
      { 'schemas/topics.ts': `import type { X } from '../runtime/errors.ts'` },
      { 'runtime/host/lane/lane.ts': `import { x } from '../../../services/router/stage.ts'` },
      { 'runtime/host/lane/lane.ts': `const x = await import('../../../client/connect.ts')` },
      { 'services/metering/main.ts': `import { connect } from '../../client/connect.ts'` },
      { 'client/connect.ts': `export { x } from '../cli/output/output.ts'` },
      { 'cli/main.ts': `import '../test/support/fleet.ts'` },
      { 'runtime/a.ts': `new Worker(new URL('../cli/main.ts', import.meta.url))` },
    ],
  })
  ruleOfModules({
    name: 'a stage imports types, its own folder and pure libraries',
    check: imported.stageImports,
    broken: [
      { 'services/router/stage.ts': `import { sleep } from '../../runtime/clock.ts'` },
      { 'services/router/stage.ts': `import OpenAI from 'openai'` },
      {
        'services/router/stage.ts': `import { x } from './x.ts'`,
        'services/router/x.ts': `import { Kafka } from 'kafkajs'`,
      },
    ],
  })
  ruleOfModules({
    name: 'each service has the same anatomy',
    check: imported.serviceAnatomy,
    broken: [
      { 'services/router/main.ts': '' },
      { 'services/router/stage.ts': '' },
      {
        'services/router/main.ts': '',
        'services/router/stage.ts': `import type { X } from './x.ts'`,
        'services/router/x.ts': `import type { Y } from './caller.ts'`,
        'services/router/caller.ts': '',
      },
      {
        'services/planner/main.ts': '',
        'services/planner/stage.ts': `import type { X } from './model/client.ts'`,
      },
    ],
  })
  ruleOfModules({
    name: 'each SDK has one importer',
    check: imported.oneImporter,
    broken: [
      { 'runtime/log/kafka/admin/admin.ts': `import { Kafka } from 'kafkajs'` },
      { 'services/router/x.ts': `import { trace } from '@opentelemetry/api'` },
      { 'runtime/config/load.ts': `import { Ajv2020 } from 'ajv/dist/2020.js'` },
      { 'services/gateway/routes/tasks.ts': `import fastify, { type FastifyInstance } from 'fastify'` },
      { 'cli/main.ts': `const { Redis } = await import('ioredis')` },
    ],
  })
  ruleOfModules({
    name: 'what is for tests stays out of production',
    check: imported.testingStaysOut,
    broken: [
      { 'runtime/host/process.ts': `import { x } from '../testing/stage-driver.ts'` },
      { 'cli/scripted.ts': `import { x } from '../runtime/testing/memory/store.ts'` },
    ],
  })
  ruleOfModules({
    name: 'no circles',
    check: imported.importCircles,
    broken: [
      {
        'runtime/a.ts': `import { b } from './b.ts'`,
        'runtime/b.ts': `import { c } from './c.ts'`,
        'runtime/c.ts': `import { a } from './a.ts'`,
      },
    ],
  })
  test('package.json lists what is imported, and nothing else', () => {
    assert.deepEqual(imported.dependencies(modules, json('package.json')), [])
    const sample = modulesOf({
      'cli/a.ts': `import 'left-pad'`,
      'cli/b.ts': `import { format } from 'prettier'`,
    })
    const listed = { dependencies: { chalk: '1' }, devDependencies: { prettier: '1' } }
    assert.equal(imported.dependencies(sample, listed).length, 3)
  })
})

describe('stages', () => {
  const inStage = (text: string): Sample => ({ 'services/router/stage.ts': text })
  ruleOfModules({
    name: 'a stage, and what runs as part of it, is pure',
    check: code.pureStages,
    broken: [
      inStage(`const now = Date.now()`),
      inStage(`const now = new Date()`),
      inStage(`const x = Math.random()`),
      inStage(`const x = process.env['X']`),
      inStage(`const x = async () => 1`),
      inStage(`import { readFileSync } from 'node:fs'`),
      inStage(`setTimeout(() => 1, 2)`),
      {
        ...inStage(`import { x } from './x.ts'`),
        'services/router/x.ts': `export const x = () => performance.now()`,
      },
    ],
  })
  ruleOfModules({
    name: 'stage.ts does not even mention what it must not do',
    check: code.stageWords,
    broken: [inStage('const x = 1\n// Math.random is not used'), inStage(`const x = 'node:fs'`)],
  })
})

describe('code', () => {
  const a = (text: string): Sample => ({ 'runtime/a.ts': text })
  ruleOfModules({
    name: 'no any, no enums, nothing that Node can not strip',
    check: code.forbidden,
    broken: [
      a('const x = (y as any).z'),
      a('export const x: any[] = []'),
      a('enum E { A }'),
      a('namespace N { export const x = 1 }'),
      a('class C { constructor(private x: number) {} }'),
    ],
  })
  ruleOfModules({
    name: 'files of at most 400 lines, unless the header says why',
    check: code.fileLengths,
    broken: [a(lines(401)), a(`${lines(400)}// Long because it is.\n`)],
  })
  ruleOfModules({
    name: 'functions of at most 70 lines',
    check: code.functionLengths,
    broken: [a(`function f() {\n${'  x()\n'.repeat(70)}}`)],
  })
  test('a reason in the header, and functions inside a function, are respected', () => {
    assert.deepEqual(code.fileLengths(modulesOf(a(`// Long because it is a table.\n${lines(401)}`))), [])
    const factory = `function f() {\n${'  function g() {\n    x()\n  }\n'.repeat(30)}}`
    assert.deepEqual(code.functionLengths(modulesOf(a(factory))), [])
  })
  ruleOfModules({
    name: 'no export that nothing imports',
    check: exported.unusedExports,
    broken: [
      a('export const x = 1'),
      a('export const x = 1\nexport const y = x'),
      { ...a('export function x() {}\nexport class Y {}'), 'runtime/b.ts': `import { x } from './a.ts'` },
    ],
  })
  ruleOfModules({ name: 'no file that nothing imports', check: exported.unreachedFiles, broken: [a('')] })
})

describe('files', () => {
  ruleOfFiles('names are kebab-case and say what is in them', named.fileNames, [
    { 'runtime/stageHost.ts': '' },
    { 'runtime/utils.ts': '' },
    { 'services/queue-manager.ts': '' },
    { 'runtime/common/x.ts': '' },
  ])
  ruleOfFiles('test/unit has the folders of the sources', named.unitTestFolders, [
    { 'test/unit/models/client.test.ts': '', 'services/planner/model/client.ts': '' },
    { 'test/unit/planner/models/client.test.ts': '', 'services/planner/model/client.ts': '' },
  ])
  const mark = ['TO', 'DO'].join('')
  ruleOfFiles('nothing is marked unfinished', named.unfinished, [{ 'runtime/a.ts': `// ${mark}: later` }])
  const machine = (...parts: string[]): string => `/${parts.join('/')}`
  ruleOfFiles('no path of one machine', named.machinePaths, [
    { 'a.md': `see ${machine('work', 'x')}` },
    { 'a.json': `"${machine('root', '.cache')}"` },
    { 'a.ts': `'${machine('home', 'ann', 'x')}'` },
    { 'a.ts': `\`${machine('tmp', 'x')}\`` },
  ])
  test('package-lock.json names no host', () => {
    assert.deepEqual(named.lockHosts(json('package-lock.json')), [])
    assert.equal(
      named.lockHosts({ packages: { 'node_modules/x': { resolved: 'https://example.org/x.tgz' } } }).length,
      1,
    )
  })
})

describe('words', () => {
  const inComment = (text: string): Sample => ({ 'runtime/a.ts': `/** ${text} */\nconst x = 1` })
  ruleOfFiles('no word that hides the field’s own', words.forbiddenWords, [
    inComment('The cause was mended.'),
    inComment('The topic was created anew.'),
    inComment('It waits for ever.'),
    { 'docs/operating.md': 'Whoever reads it' },
    { 'runtime/a.ts': 'const COMPANY_MS = 1' },
    { 'README.md': 'what befell its process' },
  ])
  ruleOfFiles('a doc comment begins with what it means', words.commentBeginnings, [
    inComment('Of one body.'),
    { 'cli/a.ts': '  /**\n   * Of one body.\n   */\n  readonly bytes: number' },
  ])
  ruleOfFiles('only people and models are told', words.toldWhom, [
    inComment('The channel is told.'),
    { 'services/planner/a.ts': '// For the model.\nconst told = 1' },
    { 'services/alerting/a.ts': '/** Whether its channels were told. */\nconst x = 1' },
    { 'services/alerting/a.ts': 'const told = tell(alert)' },
  ])
  test('people, models and the alert’s field are allowed', () => {
    const files = filesOf({
      'runtime/a.ts': "// The model\n// is told.\nconst x = 'The user is told.'",
      'services/alerting/a.ts': 'if (alert.told) step({ told: true })',
    })
    assert.deepEqual(words.toldWhom(files), [])
    assert.deepEqual(
      words.forbiddenWords(filesOf({ 'docs/adr/0001-x.md': 'anew', 'docs/a.md': 'accompany' })),
      [],
    )
  })
})
