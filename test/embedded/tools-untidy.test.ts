// Data files as the world writes them: other delimiters, encodings, headers and numbers, untidy rows. Nothing of them is lost or
// changed without a word.
import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, test } from 'node:test'
import type { ToolContext } from '../../runtime/config/fleet.ts'
import type { FlotillaError } from '../../runtime/errors.ts'
import type { Json } from '../../schemas/json.ts'
import { closeParsing } from '../../services/tool-executor/tools/parsing.ts'
import type { Found } from '../../services/tool-executor/tools/data/table-query.ts'
import { queryTable, readJson } from '../../services/tool-executor/tools/index.ts'

let directory = ''
before(async () => void (directory = await mkdtemp(join(tmpdir(), 'flotilla-untidy-'))))
after(async () => {
  await closeParsing()
  await rm(directory, { recursive: true })
})

const context: ToolContext = {
  signal: new AbortController().signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'k',
  traceparent: null,
}
let count = 0

async function written(name: string, content: string | Buffer): Promise<string> {
  const file = `${++count}-${name}`
  await writeFile(join(directory, file), content)
  return file
}

async function query(
  name: string,
  content: string | Buffer,
  more: Record<string, Json> = {},
): Promise<Found> {
  const file = await written(name, content)
  return (await queryTable({ directory }).run({ file, ...more }, context)) as Found
}

async function read(content: string | Buffer, more: Record<string, Json> = {}): Promise<unknown> {
  const file = await written('x.json', content)
  return readJson({ directory }).run({ file, ...more }, context)
}

const where = (field: string, op: string, value: Json) => ({ where: [{ field, op, value }] })
const noteOf = ({ notes }: Found): string => notes.join(' / ')
const columnNote = ({ columns }: Found, name: string): string =>
  columns.find((column) => column.name === name)?.note ?? ''
const rejects = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, (error: FlotillaError) => {
    assert.match(error.message, message)
    return error.code === 'TOOL_FAILED' || error.code === 'TOOL_ARGUMENTS_INVALID'
  })

test('the delimiter is found, whatever the name says, and said', async () => {
  const rows = [
    { name: 'Apple', price: '1,20' },
    { name: 'Pear', price: '3,40' },
  ]
  for (const [name, content] of [
    ['semicolons.csv', 'name;price\nApple;1,20\nPear;3,40\n'],
    ['crlf.csv', 'name;price\r\nApple;1,20\r\nPear;3,40\r\n'],
    ['stated.csv', 'sep=;\r\nname;price\r\nApple;1,20\r\nPear;3,40\r\n'],
    ['tabs.csv', 'name\tprice\nApple\t1,20\nPear\t3,40\n'],
    ['bars.txt', 'name|price\nApple|1,20\nPear|3,40\n'],
    ['semicolons.tsv', 'name;price\nApple;1,20\nPear;3,40\n'],
    ['tabs.tsv', 'name\tprice\nApple\t1,20\nPear\t3,40\n'],
    ['quoted.csv', '"name";"price"\n"Apple";"1,20"\n"Pear";"3,40"'],
  ] as const) {
    const found = await query(name, content)
    assert.deepEqual(found.rows, rows, name)
    if (name !== 'tabs.tsv') assert.match(noteOf(found), /cells are parted by "(;|\\t|\|)"/, name)
  }
  const named = await query('colons.csv', 'name:price\nApple:1\n', { delimiter: ':' })
  assert.deepEqual(named.rows, [{ name: 'Apple', price: 1 }])
  const one = await query('one.csv', 'remark\nhello; world\nfoo; bar; baz\n')
  assert.deepEqual(one.rows, [{ remark: 'hello; world' }, { remark: 'foo; bar; baz' }])
})

test('titles before the header are left out and told', async () => {
  const found = await query('titled.csv', 'Sales of 2026\n\nAll regions\nregion;sum;day\nA;1;x\nB;2;y\n')
  assert.deepEqual(found.rows[0], { region: 'A', sum: 1, day: 'x' })
  assert.match(noteOf(found), /left out before the header: Sales of 2026 \/ All regions/)
  const excel = await query('excel.csv', 'Sales of 2026;;\nregion;sum;day\nA;1;x\n')
  assert.deepEqual(excel.rows, [{ region: 'A', sum: 1, day: 'x' }])
  const none = await query('headless.csv', '1,2.5\n3,4\n')
  assert.match(noteOf(none), /looks like data: 1, 2\.5/)
})

const places = 'ville,pays\nOrléans,Algérie\n'
const wide = (text: string, order: 'le' | 'be'): Buffer => {
  const bytes = Buffer.from(text, 'utf16le')
  return order === 'le' ? bytes : bytes.swap16()
}

test('encodings: UTF-8, UTF-16 and Windows-1252, with a mark and without', async () => {
  for (const [name, content, note] of [
    ['utf8.csv', Buffer.from(places), /^$/],
    ['utf8-bom.csv', Buffer.from(`\ufeff${places}`), /^$/],
    ['latin1.csv', Buffer.from(places, 'latin1'), /not UTF-8: read as Windows-1252/],
    ['utf16le-bom.csv', wide(`\ufeff${places}`, 'le'), /^$/],
    ['utf16be-bom.csv', wide(`\ufeff${places}`, 'be'), /^$/],
    ['utf16le.csv', wide(places, 'le'), /^$/],
    ['utf16be.csv', wide(places, 'be'), /^$/],
  ] as const) {
    const found = await query(name, content, where('ville', '=', 'Orléans'))
    assert.deepEqual(found.rows, [{ ville: 'Orléans', pays: 'Algérie' }], name)
    assert.match(noteOf(found), note, name)
  }
  const decomposed = await query('nfd.csv', places.normalize('NFD'), where('ville', '=', 'Orléans'))
  assert.equal(decomposed.matched, 1)
  const late = Buffer.concat([
    Buffer.from(`ville\n${'x\n'.repeat(400_000)}`),
    Buffer.from('Orl\xe9ans\n', 'latin1'),
  ])
  assert.equal((await query('late.csv', late, where('ville', '=', 'Orléans'))).matched, 1)
  const greek = Buffer.from([0x61, 0x0a, 0xc1, 0xe8, 0xde, 0xed, 0xe1, 0x0a])
  assert.deepEqual((await query('greek.csv', greek, { encoding: 'iso-8859-7' })).rows, [{ a: 'Αθήνα' }])
  await rejects(query('x.csv', 'a\n1\n', { encoding: 'klingon' }), /no encoding klingon; some are: utf-8/)
  await rejects(
    query('u32.csv', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0])),
    /it is UTF-32; save it as UTF-8/,
  )
})

test('a few bytes that are not UTF-8 do not change the rest, and are told', async () => {
  const content = Buffer.concat([Buffer.from('ort\nKöln\nMünchen\nDüren'), Buffer.from([0xff, 0x0a])])
  const found = await query('damaged.csv', content)
  assert.deepEqual(found.rows[0], { ort: 'Köln' })
  assert.match(noteOf(found), /1 character is not UTF-8 and shown as \ufffd/)
})

test('columns of the same name, and without one, are kept apart and told', async () => {
  const twice = await query('twice.csv', 'date,amount,date,date_2\n2026-01-01,5,2026-02-02,x\n')
  assert.deepEqual(twice.rows, [{ date: '2026-01-01', amount: 5, date_3: '2026-02-02', date_2: 'x' }])
  assert.match(noteOf(twice), /a second date is date_3/)
  const nameless = await query('nameless.csv', 'a,,b,\n1,2,3,4\n')
  assert.deepEqual(nameless.rows, [{ a: 1, column_2: 2, b: 3, column_4: 4 }])
  assert.match(noteOf(nameless), /without a name is column_2; without a name is column_4/)
  const index = await query('index.csv', ',price\n0,1.2\n1,2.5\n')
  assert.deepEqual(index.rows[1], { column_1: 1, price: 2.5 })
  const poisoned = await query('poisoned.csv', '__proto__,constructor\n1,2\n')
  assert.equal(JSON.stringify(poisoned.rows), '[{"__proto__":1,"constructor":2}]')
})

test('untidy rows are kept, counted and told', async () => {
  const trailing = await query('trailing.csv', 'a,b\n1,2,\n3,4,\n')
  assert.deepEqual(trailing.rows, [
    { a: 1, b: 2 },
    { a: 3, b: 4 },
  ])
  assert.equal((await query('both.csv', 'a,b,\n1,2,\n3,4,\n')).columns.length, 2)
  const ragged = await query('ragged.csv', 'a,b,c\n1,2,3\n4,5\n6,7,8,9\n,,\n')
  assert.deepEqual(ragged.rows, [
    { a: 1, b: 2, c: 3, column_4: null },
    { a: 4, b: 5, c: null, column_4: null },
    { a: 6, b: 7, c: 8, column_4: 9 },
  ])
  assert.match(noteOf(ragged), /1 row shorter than the header/)
  assert.match(noteOf(ragged), /1 row longer than the header; the cells beyond it are in column_4/)
  assert.match(noteOf(ragged), /1 row without any value left out/)
  const inches = await query('inches.csv', 'item,size\nPipe,6" x 3\nRod,"5"" x 1"\nBar,"2" x 4\n')
  assert.deepEqual(
    inches.rows.map((row) => row['size']),
    ['6" x 3', '5" x 1', '"2" x 4'],
  )
  const open = await query('open.csv', 'a,b\n1,"x\n2,y\n3,z\n')
  assert.equal(open.matched, 3)
  assert.match(noteOf(open), /quotes were read as characters: Quote Not Closed/)
  const merged = await query('merged.csv', 'a,b\n1,"x\n2,y\n3,"z"\n4,w\n')
  assert.match(noteOf(merged), /1 cell holds whole lines: a quote before them is not closed/)
  const mixed = await query('mixed.csv', 'a,b\r\n1,2\n3,4\r\n')
  assert.equal(mixed.matched, 2)
  assert.match(noteOf(await query('empty.csv', '')), /no rows/)
})

test('numbers that would change as numbers are text, and compare as the numbers that they are', async () => {
  const versions = await query('v.csv', 'version,x\n1.10,a\n1.1,b\n', where('version', '=', '1.10'))
  assert.deepEqual(versions.rows, [{ version: '1.10', x: 'a' }])
  assert.match(columnNote(versions, 'version'), /such as 1\.10 stay text/)
  for (const cell of ['007', '1.0', '+5', '1e5', '12345678901234567890', '9007199254740993', '-0'])
    assert.deepEqual((await query('c.csv', `n\n${cell}\n`)).rows, [{ n: cell }], cell)
  for (const cell of [0, -7, 12.5, 9007199254740991])
    assert.deepEqual((await query('c.csv', `n\n${cell}\n`)).rows, [{ n: cell }])
  for (const [cells, given, note] of [
    ['12.50,3.00,0.25', [12.5, 3, 0.25], '12.50 is given as 12.5'],
    ['1.0,2.25,10.5', [1, 2.25, 10.5], '1.0 is given as 1'],
    ['1.0,2.25,10', ['1.0', '2.25', '10'], /1\.0 stay text/],
    ['1.10,1.9', ['1.10', '1.9'], /1\.10 stay text/],
    ['1.10,1.10', ['1.10', '1.10'], /1\.10 stay text/],
  ] as const) {
    const found = await query('p.csv', `n\n${cells.replaceAll(',', '\n')}\n`)
    assert.deepEqual(
      found.rows.map(({ n }) => n),
      given,
    )
    assert.match(
      columnNote(found, 'n'),
      typeof note === 'string' ? new RegExp(note.replaceAll('.', String.raw`\.`)) : note,
    )
  }
  const over = async (cells: string[], value: Json, delimiter = ',') =>
    (
      await query(
        'o.csv',
        `name${delimiter}n\n${cells.map((cell) => `x${delimiter}"${cell}"\n`).join('')}`,
        where('n', '>', value),
      )
    ).rows.map((row) => row['n'])
  assert.deepEqual(await over(['1,200.50', '90', '2,000'], 1_000), ['1,200.50', '2,000'])
  assert.deepEqual(await over(['1.200,50', '90,00', '2.000,00'], 1_000, ';'), ['1.200,50', '2.000,00'])
  assert.deepEqual(await over(['$1200.50', '$90.00'], 1_000), ['$1200.50'])
  assert.deepEqual(await over(['1 200 €', '90 €'], '1000'), ['1 200 €'])
  assert.deepEqual(await over(['EUR 5', 'EUR -7', '(3)'], 0), ['EUR 5'])
  assert.deepEqual(await over(['1,20', '3,40'], 1.5, ';'), ['3,40'])
  assert.deepEqual(await over(['9007199254740992', '9007199254740993'], '9007199254740992'), [
    '9007199254740993',
  ])
  const equal = await query('e.csv', 'n\n"1,200.50"\n', where('n', '=', 1200.5))
  assert.equal(equal.matched, 1)
  assert.match(columnNote(equal, 'n'), /1,200\.50 is 1200\.5/)
  const codes = await query('codes.csv', 'n\nABC123\nXYZ777\n5\n', where('n', '=', 'ABC123'))
  assert.deepEqual([codes.columns[0]?.type, codes.columns[0]?.note], ['text', undefined])
})

test('booleans and empty cells mean what a model asks', async () => {
  const flags = 'a,ok\n1,true\n2,TRUE\n3,false\n4,\n'
  const found = async (op: string, value: Json) =>
    (await query('f.csv', flags, where('ok', op, value))).rows.map((row) => row['a'])
  assert.deepEqual(await found('=', true), [1, 2])
  assert.deepEqual(await found('=', false), [3])
  assert.deepEqual(await found('=', null), [4])
  assert.deepEqual(await found('!=', null), [1, 2, 3])
})

test('cells that can not be compared are counted and shown', async () => {
  const found = await query('n.csv', 'n\n5\nn/a\n12\n-\n', where('n', '>', 3))
  assert.deepEqual(found.rows, [{ n: 5 }, { n: 12 }])
  assert.match(
    noteOf(found),
    /2 rows are neither in nor out: n > 3 can't be decided for cells such as "n\/a"/,
  )
  assert.match(columnNote(found, 'n'), /2 cells are no number, e\.g\. n\/a/)
  const text = await query('t.csv', 'n\nfive\nsix\n', where('n', '>', 3))
  assert.equal(text.matched, 0)
  assert.match(
    noteOf(text),
    /2 rows are neither in nor out.*"five".*no row matched; values of n are such as: five \| six/,
  )
  const word = await query('w.csv', 'n\n1\n2\n', where('n', '<', 'many'))
  assert.match(noteOf(word), /2 rows are neither in nor out/)
  const list = await query('l.json', '[{"n":[1]},{"n":2}]', where('n', '>', 1))
  assert.deepEqual(list.rows, [{ n: 2 }])
  assert.match(noteOf(list), /1 row is neither in nor out/)
})

test('JSON keeps its digits, with a mark, in UTF-16 and in lines', async () => {
  assert.deepEqual(await read('{"id":1234567890123456789,"x":[9007199254740993,1.5]}'), {
    id: '1234567890123456789',
    x: ['9007199254740993', 1.5],
  })
  assert.equal(await read('\ufeff{"a":1}', { path: 'a' }), 1)
  for (const bytes of [wide('\ufeff{"a":"é"}', 'le'), wide('\ufeff{"a":"é"}', 'be'), wide('{"a":"é"}', 'le')])
    assert.deepEqual(await read(bytes), { a: 'é' })
  assert.deepEqual(await read(Buffer.from('{"a":"é"}', 'latin1')), { a: 'é' })
  const damaged = Buffer.concat([Buffer.from('["äöü', 'utf8'), Buffer.from([0xff]), Buffer.from('"]')])
  await rejects(read(damaged), /1 of its characters are not UTF-8; name its encoding/)
  assert.deepEqual(await read(damaged, { encoding: 'utf-8' }), ['äöü\ufffd'])
  const rows = '{"id":9007199254740993,"n":"a"}\n{"id":9007199254740992,"n":"b"}\n'
  for (const [name, content] of [
    ['rows.json', `[${rows.trim().replace('\n', ',')}]`],
    ['rows.jsonl', `\ufeff${rows}`],
    ['rows.ndjson', rows.replaceAll('\n', '\r\n\r\n')],
  ] as const) {
    const found = await query(name, content, where('id', '=', '9007199254740993'))
    assert.deepEqual(found.rows, [{ id: '9007199254740993', n: 'a' }], name)
    assert.deepEqual((await query(name, content, where('id', '>', 9007199254740992))).matched, 1, name)
  }
  const lines = await query('bad.jsonl', '{"a":1}\nnot JSON\n{"a":2}\n[3]\n')
  assert.deepEqual(lines.rows, [{ a: 1 }, { a: 2 }])
  assert.match(noteOf(lines), /2 lines are no JSON object and left out, e\.g\. not JSON/)
})

test('200,000 rows are read in bounded memory', async () => {
  const file = 'large.csv'
  function* rows(): Generator<string> {
    yield 'id,name,city,amount,day,remark\n'
    for (let id = 0; id < 200_000; id += 100)
      yield Array.from(
        { length: 100 },
        (_, at) => `${id + at},name ${id + at},"Köln, Süd",${id + at}.5,2026-01-02,${'x'.repeat(100)}\n`,
      ).join('')
  }
  await pipeline(Readable.from(rows()), createWriteStream(join(directory, file)))
  const before = process.memoryUsage().rss
  const found = (await queryTable({ directory }).run(
    { file, ...where('amount', '>', 199_997) },
    context,
  )) as Found
  assert.deepEqual([found.matched, found.total, found.rows[0]?.['id']], [3, 200_000, 199_997])
  // As rows they would take 300 MB and more.
  assert.ok(process.memoryUsage().rss - before < 200_000_000)
})

test('rare delimiters are found, others suggested; comments come before the header', async () => {
  for (const mark of ['^', '~', '\x01'])
    assert.deepEqual((await query('rare.csv', `a${mark}b\n1${mark}2\n`)).rows, [{ a: 1, b: 2 }], mark)
  for (const mark of [':', ' ', '   ']) {
    const found = await query('one.csv', `a${mark}b\n1${mark}2\n`)
    assert.match(noteOf(found), /read as one column; if its cells are parted by "[: ]", name that delimiter/)
  }
  assert.equal(noteOf(await query('prose.csv', 'remark\nhello there\nfoo\n')), '')
  const commented = await query('c.csv', '# by x\n# at y\na,b\n1,2\n')
  assert.deepEqual(commented.rows, [{ a: 1, b: 2 }])
  assert.match(noteOf(commented), /left out before the header: # by x \/ # at y/)
  assert.deepEqual((await query('c.csv', '## v1\n#id,b\n1,2\n3,4\n')).rows[0], { '#id': 1, b: 2 })
})

test('a list and lines of JSON are read whatever the name says, and untidy ones told', async () => {
  const rows = [{ a: 1 }, { a: 2 }]
  for (const [name, content] of [
    ['x.json', '{"a":1}\n{"a":2}\n'],
    ['x.jsonl', '[{"a":1},{"a":2}]'],
    ['x.ndjson', '[\n  {"a":1},\n  {"a":2}\n]\n'],
    ['x.jsonl', '{"a":1},\n{"a":2},\n'],
  ] as const)
    assert.deepEqual((await query(name, content)).rows, rows, content)
  const mixed = await query('x.json', '[{"a":1},null,{"a":2}]')
  assert.deepEqual(mixed.rows, rows)
  assert.match(noteOf(mixed), /1 item is no object and left out, e\.g\. null/)
  for (const [name, content] of [
    ['x.json', '[{"a":NaN},{"a":-Infinity}]'],
    ['x.jsonl', '{"a":NaN}\n{"a":-Infinity}\n'],
  ] as const)
    assert.deepEqual((await query(name, content)).rows, [{ a: 'NaN' }, { a: '-Infinity' }])
  assert.deepEqual(await read('{"a":NaN,"b":"NaN\tx"}'), { a: 'NaN', b: 'NaN\tx' })
  assert.deepEqual(await read('{"a":1,"b":{"c":1,"c":[2]},"a":3}'), { a: 1, b: { c: 1, c_2: [2] }, a_2: 3 })
  assert.deepEqual((await query('x.jsonl', '{"a":1,"a":2}\n{"a":3}\n')).rows, [{ a: 1, a_2: 2 }, { a: 3 }])
  await rejects(read('{"a":1}\n{"a":2}\n'), /query_table reads files with an object a line/)
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
  await rejects(read(deep), /nested more than 1000 deep/)
  await rejects(query('x.json', `[{"a":${deep}}]`), /nested more than 1000 deep/)
  await rejects(query('x.jsonl', `{"a":"${'x'.repeat(11_000_000)}"}`), /a line has more than 10000000/)
})

test('a file of another kind is told by its name', async () => {
  for (const [content, kind] of [
    [Buffer.from('504b03040000', 'hex'), /Excel workbook/],
    [Buffer.from('1f8b0800', 'hex'), /packed with gzip/],
    ['%PDF-1.7', /a PDF/],
    [Buffer.from('89504e470d0a1a0a', 'hex'), /an image/],
    [Buffer.from('4f626a0104', 'hex'), /an Avro file/],
    ['BZh91AY&SY', /packed with bzip2/],
    ['\n<!DOCTYPE html><p>404', /a web page/],
  ] as const) {
    await rejects(query('x.csv', content), kind)
    await rejects(read(content), kind)
  }
})

test('names and texts that differ in what nobody sees are the same; dates of another form are undecided', async () => {
  const named = await query('n.csv', 'Unit\u00a0Price,b\n3,x\u00a0y\n', where('unit price', '=', 3))
  assert.deepEqual(named.rows, [{ 'Unit\u00a0Price': 3, b: 'x\u00a0y' }])
  assert.equal((await query('n.csv', 'a\n"x\u00a0y "\n', where('a', '=', 'x y'))).matched, 1)
  await rejects(query('n.csv', 'A ,a\n1,2\n', { columns: ['b'] }), /has no column b/)
  assert.equal((await query('n.csv', 'x\n1\n2\n', where('x', 'in', '1'))).matched, 1)
  for (const [cells, op, value, matched, note] of [
    ['02.01.2024,01.10.2024', '>', '2024-05-01', 0, /2 rows are neither in nor out/],
    ['1/2/2024,10/1/2024', '>', '5/1/2024', 0, /2 rows are neither/],
    ['2024/01/02,2024/10/01', '>', '2024/05/01', 1, /^$/],
    ['2024-01-02,2024-10-01', '>', '2024-05', 1, /^$/],
    ['2024-01-02T10:00:00Z,2024-01-02T10:00:00+05:00', '>', '2024-01-02T09:00:00Z', 1, /^$/],
    ['2024-01-02T10:00:00Z,2024-10-02T10:00:00Z', '>', '2024-05-01', 1, /^$/],
  ] as const) {
    const found = await query('d.csv', `d\n${cells.replace(',', '\n')}\n`, where('d', op, value))
    assert.equal(found.matched, matched, cells)
    assert.match(noteOf(found), note)
  }
})
