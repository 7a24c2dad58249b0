import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Mistakes } from '../../../../evaluation/dataset/mistakes.ts'
import { entriesOfModule } from '../../../../evaluation/dataset/module.ts'
import { UserCode } from '../../../../evaluation/user-code/user-code.ts'
import { readDataset } from '../../../../evaluation/dataset/read.ts'

const directory = mkdtempSync(join(tmpdir(), 'flotilla-dataset-'))
after(() => rmSync(directory, { recursive: true, force: true }))

function file(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

test('JSON lines: defaults by the kind of the expected value, ids that stay when cases are added', async () => {
  const lines = [
    '{"input": "Two and two?", "expected": 4}',
    '{"id": "capital", "input": "Capital of France?", "expected": "Paris", "metadata": {"kind": "geography"}}',
    '{"input": "As JSON", "expected": {"a": 1}, "outputSchema": {"type": "object"}}',
  ]
  const { cases, name } = await readDataset(file('a.jsonl', `\uFEFF${lines.join('\r\n')}\n\n`))
  assert.equal(name, 'a')
  assert.deepEqual(
    cases.map(({ scorers }) => scorers.map((scorer) => scorer.name)),
    [['number'], ['normalised'], ['json']],
  )
  assert.deepEqual(cases[1]?.metadata, { kind: 'geography' })
  const more = await readDataset(file('b.jsonl', ['{"input": "New", "expected": "x"}', ...lines].join('\n')))
  assert.deepEqual(
    more.cases.slice(1).map(({ id }) => id),
    cases.map(({ id }) => id),
  )
})

test('every mistake is reported at once, with its line and a remedy', async () => {
  const path = file(
    'bad.jsonl',
    [
      '{"input": ""}',
      'not JSON',
      '{"input": "a", "expect": "b", "expected": "b"}',
      '{"input": "a", "expected": "b", "scorers": ["exakt", {"type": "regex", "pattern": "(?=a)"}, {"type": "number"}]}',
      '{"id": "x", "input": "a", "expected": "b"}',
      '{"id": "x", "input": "c", "scorers": [{"type": "schema"}, {"type": "judge", "rubrik": "polite"}]}',
      '{"input": "c", "scorers": {"type": "function", "module": "./nowhere.ts"}}',
      '[1]',
    ].join('\n'),
  )
  await assert.rejects(readDataset(path), (error: Error) => {
    const said = [
      /line 1: input is missing/,
      /line 1: it has no expected value and no scorers/,
      /line 2: it is no JSON/,
      /line 3: no field "expect".*labels of your own go under metadata/,
      /line 4: scorers: no scorer "exakt"; there are: exact, normalised/,
      /line 4: scorers: the pattern .* can't be used/,
      /line 4: scorers: number: expected must be a number/,
      /line 6: the id "x" is that of line 5/,
      /line 6: scorers: schema: it needs a schema/,
      /line 6: scorers: judge: it takes no rubrik|line 6: scorers: judge: rubric/,
      /line 7: scorers: function: \.\/nowhere\.ts can't be loaded/,
      /line 8: it must be a JSON object/,
    ]
    for (const each of said) assert.match(error.message, each)
    assert.equal((error as { code?: string }).code, 'REQUEST_INVALID')
    return true
  })
})

test('CSV: other columns are metadata, a cell may hold commas and lines', async () => {
  const path = file(
    'a.csv',
    'id,input,expected,scorers,outputSchema,topic\n' +
      'one,"Say ""hi"", twice\nplease",hi,exact;contains,,greeting\n' +
      'two,Two and two?,4,"[{""type"": ""number"", ""absolute"": 0.5}]","{""type"": ""number""}",\n',
  )
  const { cases } = await readDataset(path)
  assert.equal(cases[0]?.input, 'Say "hi", twice\nplease')
  assert.deepEqual(cases[0]?.metadata, { topic: 'greeting' })
  assert.deepEqual(
    cases.map(({ scorers }) => scorers.map(({ name }) => name)),
    [['exact', 'contains'], ['number']],
  )
  assert.deepEqual(cases[1]?.task, { outputSchema: { type: 'number' } })
})

test('CSV: mistakes name the line on which the record begins', async () => {
  const path = file('bad.csv', 'Input,expected,expected\n"a\nb",c\nd,e,f,g\n')
  await assert.rejects(readDataset(path), (error: Error) => {
    for (const said of [
      /line 1: there is no column input/,
      /line 1: the column "Input" must be called input/,
      /"expected" is there twice/,
      /line 2: it has 2 cells, the header has 3/,
      /line 4: it has 4 cells/,
    ])
      assert.match(error.message, said)
    return true
  })
  await assert.rejects(readDataset(file('semicolon.csv', 'input;expected\na;b\n')), /separated by commas/)
  await assert.rejects(readDataset(file('open.csv', 'input\n"never closed\n')), /[Qq]uote/)
})

test('a module: functions score, and its default export may be made when it is read', async () => {
  const path = file(
    'cases.ts',
    `const short = ({ text }: { text: string }) => text.length < 10
     export default async () => ({ scorers: [short], cases: [{ input: 'a' }, { input: 'b', expected: 'b', scorers: ['exact', short] }] })`,
  )
  const { cases } = await readDataset(path)
  assert.deepEqual(
    cases.map(({ scorers }) => scorers.map(({ name, pass }) => [name, pass])),
    [
      [['short', 0.5]],
      [
        ['exact', 1],
        ['short', 0.5],
      ],
    ],
  )
  await assert.rejects(
    readDataset(file('none.ts', 'export default 3')),
    /default export must be a list of cases/,
  )
  await assert.rejects(
    readDataset(file('broken.ts', 'throw new Error("no data")')),
    /can't be loaded: no data/,
  )
})

test('a file that is not there, is empty, or of another kind', async () => {
  await assert.rejects(readDataset(join(directory, 'nowhere.jsonl')), { code: 'NOT_FOUND' })
  await assert.rejects(readDataset(file('empty.jsonl', '\n')), /it has no cases/)
  await assert.rejects(readDataset(file('a.xlsx', '')), /must end in \.jsonl/)
})

test('a module is code: it may never end, print, or give what is no JSON', { timeout: 240_000 }, async () => {
  const never = {
    waits: 'export default () => new Promise(() => {})',
    'waits at once': 'await new Promise(() => {}); export default []',
    loops: 'for (;;);',
    ends: 'process.exit(0)',
  }
  for (const [name, source] of Object.entries(never)) {
    const code = new UserCode({ loadMs: 500 })
    await assert.rejects(
      entriesOfModule(file(`${name}.mjs`, source), new Mistakes(), code),
      /it took more than 0\.5 s|it ended its process/,
      name,
    )
    await code.close()
  }
  const odd = file(
    'odd.mjs',
    `export default [
      { input: 'a', expected: 10n }, { input: 'b', expected: new Date(0) }, { input: 'c', expected: [NaN] }, 7,
      { input: 'd', expected: 'x', id: undefined, metadata: { none: undefined } },
    ]`,
  )
  await assert.rejects(readDataset(odd), (error: Error) => {
    for (const said of [
      /case 1: expected is no JSON: it has 10/,
      /case 2: expected is no JSON: it has a Date/,
      /case 3: expected is no JSON: it has NaN/,
      /case 4: it must be an object/,
    ])
      assert.match(error.message, said)
    assert.doesNotMatch(error.message, /case 5/)
    return true
  })
  await assert.rejects(
    readDataset(file('throws.mjs', 'export default () => { throw new Error("no data") }')),
    /can't be loaded: no data/,
  )
})

test('the hash is of the cases, too: those of a module may come from elsewhere', async () => {
  const asked = join(directory, 'asked.txt')
  const path = file(
    'elsewhere.mjs',
    `import { readFileSync } from 'node:fs'
     export default () => [{ input: readFileSync(${JSON.stringify(asked)}, 'utf8'), expected: 'x' }]`,
  )
  const hashFor = async (input: string) => {
    writeFileSync(asked, input)
    return (await readDataset(path)).hash
  }
  assert.notEqual(await hashFor('one'), await hashFor('two'))
  assert.equal(await hashFor('two'), await hashFor('two'))
})

test('another encoding, depth and weight that nothing could work with are mistakes', async () => {
  const path = join(directory, 'latin1.csv')
  writeFileSync(path, Buffer.from('input,expected\nCafé?,é\n', 'latin1'))
  await assert.rejects(readDataset(path), /not in UTF-8: save it/)
  const deep = `{"input": "a", "expected": ${'['.repeat(20_000)}${']'.repeat(20_000)}, "scorers": "number"}`
  await assert.rejects(
    readDataset(file('deep.jsonl', deep)),
    /line 1: expected is nested deeper than 1000 levels/,
  )
  const heavy = { input: 'a', expected: 'b', scorers: [{ type: 'exact', weight: 1e308 }] }
  await assert.rejects(readDataset(file('heavy.jsonl', JSON.stringify(heavy))), /exact: weight/)
  const many = { input: 'a', expected: 'b', scorers: Array.from({ length: 101 }, () => 'exact') }
  await assert.rejects(readDataset(file('many.jsonl', JSON.stringify(many))), /101 scorers, at most 100/)
  const half = JSON.stringify({ input: 'a \ud83d', expected: { x: ['\udc4d'] }, metadata: { emoji: '👍' } })
  await assert.rejects(
    readDataset(file('half.jsonl', half)),
    /line 1: input has half of a surrogate pair, such as \\ud83d[^]*line 1: expected has half/,
  )
  const labels = { input: 'a', expected: 'b', metadata: { all: 'x'.repeat(100_000) } }
  await assert.rejects(
    readDataset(file('labels.jsonl', JSON.stringify(labels))),
    /line 1: metadata has 100010 characters as JSON, at most 100000/,
  )
  await assert.rejects(
    readDataset(file('twice.jsonl', '{"input": "a", "expected": "b", "input": "c"}')),
    /line 1: it gives "input" twice/,
  )
  const promoted = { id: 't'.repeat(128), input: 'a', expected: 'b' }
  assert.equal((await readDataset(file('long.jsonl', JSON.stringify(promoted)))).cases.length, 1)
})

test('large files are read in time: a line of 90 MB, ten thousand equal cases, thousands of columns', async () => {
  const before = process.cpuUsage()
  const long = JSON.stringify({ input: 'a', expected: 'x'.repeat(90_000_000) })
  assert.equal((await readDataset(file('line.jsonl', long))).cases.length, 1)
  const equal = '{"input": "a", "expected": "b"}\n'.repeat(10_000)
  const { cases } = await readDataset(file('equal.jsonl', equal))
  assert.equal(new Set(cases.map(({ id }) => id)).size, 10_000)
  const columns = Array.from({ length: 50_000 }, (_, index) => `c${index}`).join()
  const wide = `input,expected,${columns}\n${'x,'.repeat(50_001)}x\n`
  await assert.rejects(readDataset(file('wide.csv', wide)), /metadata has \d+ characters as JSON/)
  await assert.rejects(
    readDataset(file('header.csv', `${columns}\n`)),
    /no column input; there are: c0, c1, .* and 49980 more/,
  )
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 20_000_000, `${user + system} µs of processor time`)
})

test('hostile files are refused in time, with what is wrong', { timeout: 240_000 }, async () => {
  const refused: [string, string, RegExp][] = [
    ['many.jsonl', '{"inptu": 1}\n'.repeat(200_000), /cases: there are more than 10000/],
    ['many.csv', `input,expected\n${'a,b\n'.repeat(200_000)}`, /cases: there are more than 10000/],
    ['label.csv', 'input,expected,__proto__\na,b,c\n', /line 2: metadata has a property "__proto__"/],
    [
      'label.jsonl',
      '{"input": "a", "expected": {"x": {"__proto__": 1}}}',
      /line 1: expected has a property "__proto__"/,
    ],
    [
      'patterns.jsonl',
      Array.from({ length: 300 }, (_, line) =>
        JSON.stringify({
          input: 'a',
          scorers: Array.from({ length: 100 }, (_, index) => ({
            type: 'regex',
            pattern: `(${line}x${index}a{1,500}){1,2}`,
          })),
        }),
      ).join('\n'),
      /the patterns so far took 5 s to compile/,
    ],
  ]
  for (const [name, content, said] of refused)
    await assert.rejects(readDataset(file(name, content)), said, name)
})
