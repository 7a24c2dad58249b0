import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, mkdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Tool, ToolContext } from '../../runtime/config/fleet.ts'
import { FlotillaError, type ErrorCode } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { closeParsing } from '../../services/tool-executor/tools/parsing.ts'
import type { Found } from '../../services/tool-executor/tools/data/table-query.ts'
import { queryTable, readJson, standardTools } from '../../services/tool-executor/tools/index.ts'

let root = ''
let table: Tool
let json: Tool

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'flotilla-data-'))
  const directory = join(root, 'data')
  await mkdir(join(directory, 'sub'), { recursive: true })
  await writeFile(
    join(directory, 'orders.csv'),
    '\ufeffid,city,total,day\n007,Bonn,12.5,2026-01-02\n8,"Köln, Süd",100,2026-01-03\n9,Bonn,,2026-02-01\n',
  )
  await writeFile(
    join(directory, 'people.json'),
    '[{"name":"Ann","tags":["a","b"]},{"name":"Bob","tags":[]}]',
  )
  await writeFile(join(directory, 'sub', 'deep.json'), '{"items":[{"unit price":3}],"none":null}')
  await writeFile(join(directory, 'bad.json'), '{')
  await writeFile(join(root, 'secret.json'), '"secret"')
  await symlink(join(root, 'secret.json'), join(directory, 'link.json'))
  table = queryTable({ directory })
  json = readJson({ directory })
})
after(async () => {
  await closeParsing()
  await rm(root, { recursive: true })
})

const context: ToolContext = {
  signal: new AbortController().signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'k',
  traceparent: null,
}
const run = (tool: Tool, input: Json) => tool.run(input, context)
const rejects = (promise: Promise<unknown>, code: ErrorCode, message: RegExp) =>
  assert.rejects(promise, (error: FlotillaError) => {
    assert.equal(error.code, code, error.message)
    assert.match(error.message, message)
    return true
  })

test('without a directory, and none named data here, the bundled examples are read from wherever it runs', async (t) => {
  const before = process.cwd()
  process.chdir(join(root, 'data'))
  t.after(() => process.chdir(before))
  const { rows } = (await run(queryTable(), { file: 'orders.csv', limit: 1 })) as Found
  assert.equal(rows.length, 1)
})

type Result = Found
const query = (where: Json, more: Record<string, Json> = {}) =>
  run(table, { file: 'orders.csv', where, ...more }) as Promise<Result>
const ids = async (where: Json) => (await query(where)).rows.map((row) => row['id'])

test('CSV rows: numbers are numbers, a column that numbers would change stays text, and columns are described', async () => {
  const { columns, ...found } = await query([], { limit: 2 })
  assert.deepEqual(found, {
    rows: [
      { id: '007', city: 'Bonn', total: 12.5, day: '2026-01-02' },
      { id: '8', city: 'Köln, Süd', total: 100, day: '2026-01-03' },
    ],
    matched: 3,
    total: 3,
    notes: [],
  })
  assert.deepEqual(
    columns.map(({ name, type, empty }) => [name, type, empty]),
    [
      ['id', 'text', 0],
      ['city', 'text', 0],
      ['total', 'number', 1],
      ['day', 'text', 0],
    ],
  )
  assert.match(columns[0]?.note ?? '', /numbers such as 007 stay text/)
  assert.equal((await query([{ field: 'id', value: '9' }])).rows[0]?.['total'], null)
  assert.deepEqual((await query([], { columns: ['day', 'id'], limit: 1 })).rows, [
    { day: '2026-01-02', id: '007' },
  ])
})

test('every comparison', async () => {
  assert.deepEqual(await ids([{ field: 'city', value: 'Bonn' }]), ['007', '9'])
  assert.deepEqual(await ids([{ field: 'city', op: '!=', value: 'Bonn' }]), ['8'])
  assert.deepEqual(await ids([{ field: 'total', op: '>', value: 12.5 }]), ['8'])
  assert.deepEqual(await ids([{ field: 'total', op: '>=', value: '12.5' }]), ['007', '8'])
  assert.deepEqual(await ids([{ field: 'total', op: '<', value: 50 }]), ['007'], 'an empty cell is not 0')
  assert.deepEqual(await ids([{ field: 'day', op: '<=', value: '2026-01-31' }]), ['007', '8'])
  assert.deepEqual(await ids([{ field: 'city', op: 'contains', value: 'köln' }]), ['8'])
  assert.deepEqual(await ids([{ field: 'id', op: 'in', value: ['8', 9] }]), ['8', '9'])
  const both = [
    { field: 'city', value: 'Bonn' },
    { field: 'day', op: '>', value: '2026-01-31' },
  ]
  assert.deepEqual(await ids(both), ['9'])
})

test('JSON rows, with lists', async () => {
  const where = [{ field: 'tags', op: 'contains', value: 'b' }]
  assert.deepEqual(await run(table, { file: 'people.json', where, columns: ['name'] }), {
    rows: [{ name: 'Ann' }],
    matched: 1,
    total: 2,
    columns: [
      { name: 'name', type: 'text', empty: 0 },
      { name: 'tags', type: 'list', empty: 0 },
    ],
    notes: [],
  })
})

test('what is misspelt is told with what exists', async () => {
  await rejects(
    query([{ field: 'town', value: 'Bonn' }]),
    'TOOL_ARGUMENTS_INVALID',
    /no column town.*id, city, total, day/,
  )
  await rejects(
    run(table, { file: 'order.csv' }),
    'TOOL_FAILED',
    /no file order.csv.*orders.csv.*sub.deep.json/,
  )
  await rejects(run(table, { file: 'sub/deep.json' }), 'TOOL_FAILED', /list of objects/)
  await rejects(run(json, { file: 'bad.json' }), 'TOOL_FAILED', /bad.json is not JSON/)
  await rejects(run(json, { file: 'sub' }), 'TOOL_FAILED', /sub can't be read/)
})

test('no path leads out of the data directory', async () => {
  for (const file of [
    '../secret.json',
    '/etc/hostname',
    join(root, 'secret.json'),
    'sub/../../secret.json',
    'link.json',
    '../nowhere',
  ]) {
    await rejects(run(json, { file }), 'TOOL_DENIED', /outside the data directory/)
  }
})

test('a path into a JSON file', async () => {
  const read = (path: string) => run(json, { file: 'sub/deep.json', path })
  assert.equal(await read('items[0]["unit price"]'), 3)
  assert.equal(await read('$.items.0.unit price'), 3)
  assert.equal(await read('none'), null)
  assert.deepEqual(await read(''), { items: [{ 'unit price': 3 }], none: null })
  await rejects(read('items[1]'), 'TOOL_ARGUMENTS_INVALID', /deep.json at items has no 1; it has 1 item/)
  await rejects(read('none.x'), 'TOOL_ARGUMENTS_INVALID', /it is null/)
  await rejects(read('a[['), 'TOOL_ARGUMENTS_INVALID', /can't be read from/)
  await rejects(read('__proto__'), 'TOOL_ARGUMENTS_INVALID', /has no __proto__/)
})

test('what is no file, or too large, is refused at once', async () => {
  const directory = join(root, 'data')
  execFileSync('mkfifo', [join(directory, 'pipe.json')])
  await rejects(run(json, { file: 'pipe.json' }), 'TOOL_FAILED', /pipe.json can't be read: it is not a file/)
  await writeFile(join(directory, 'large.csv'), `a,b\n${'1,2\n'.repeat(2_500_000)}`)
  const small = queryTable({ directory, maxFileBytes: 1_000 })
  await rejects(run(small, { file: 'large.csv' }), 'TOOL_FAILED', /10000004 bytes, .* 1000 \(maxFileBytes/)
  await writeFile(join(directory, 'large.json'), `[${'1,'.repeat(5_000_000)}1]`)
  await rejects(
    run(json, { file: 'large.json' }),
    'TOOL_FAILED',
    /10000003 bytes, .* 10000000; larger tables/,
  )
})

test('a file that is too much to parse costs its own call, and others are answered meanwhile', async () => {
  const directory = join(root, 'data')
  await writeFile(join(directory, 'wide.csv'), `${'a,'.repeat(2_000_000)}b\n${'1,'.repeat(2_000_000)}1\n`)
  await writeFile(join(directory, 'deep.json'), `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`)
  await writeFile(join(directory, 'long.json'), JSON.stringify('x'.repeat(2_000_000)))
  const others = run(json, { file: 'sub/deep.json', path: 'none' })
  await rejects(
    run(json, { file: 'deep.json' }),
    'TOOL_FAILED',
    /deep.json can't be read as JSON: it is nested/,
  )
  await rejects(run(json, { file: 'long.json' }), 'TOOL_OUTPUT_TOO_LARGE', /name a path to a part of it/)
  const wide = await run(table, { file: 'wide.csv' }).catch((error: FlotillaError) => error.code)
  assert.ok(wide === 'TOOL_FAILED' || wide === 'TOOL_OUTPUT_TOO_LARGE' || typeof wide === 'object')
  assert.equal(await others, null)
  assert.equal((await query([])).matched, 3)
})

test('a file is read again once it has changed', async () => {
  const path = join(root, 'data', 'changing.json')
  const read = () => run(json, { file: 'changing.json' })
  for (const value of [1, 2, 3]) {
    await writeFile(path, JSON.stringify(value))
    await utimes(path, 1_000, 1_000 + value)
    assert.equal(await read(), value)
    assert.equal(await read(), value)
  }
})

test('every standard tool declares that it is safe to repeat, and fits a model', () => {
  for (const { spec } of standardTools) {
    assert.ok(spec.idempotent, spec.name)
    assert.ok(spec.description.length <= 120, `${spec.name}: one line`)
    assert.equal(spec.input['type'], 'object')
  }
})
