import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableLines, type Column } from '../../../cli/output/table.ts'
import { elapsed, money, moment, plural, share } from '../../../cli/output/units.ts'

const columns: readonly Column[] = [
  { name: 'id', keep: true },
  { name: 'purpose' },
  { name: 'records', kind: 'figure' },
  { name: 'events', optional: true },
]
const rows = [
  ['tasks.completed', 'results of tasks, one for each, kept for seven days', '1,234', 'TaskCompleted'],
  ['alerts.notifications', 'short', '5', 'NotificationRequested, NotificationEnded'],
]

test('in a pipe every value is whole, columns align, and no line ends in spaces', () => {
  assert.deepEqual(tableLines(columns, rows, Infinity), [
    'id                    purpose                                              records  events',
    'tasks.completed       results of tasks, one for each, kept for seven days    1,234  TaskCompleted',
    'alerts.notifications  short                                                      5  NotificationRequested, NotificationEnded',
  ])
})

test('on a narrow terminal text is cut with an ellipsis; ids and figures are whole', () => {
  assert.deepEqual(tableLines(columns, rows, 70), [
    'id                    purpose             records  events',
    'tasks.completed       results of tasks,…    1,234  TaskCompleted',
    'alerts.notifications  short                     5  NotificationReques…',
  ])
})

test('an optional column is left out where the others would be cut to what says little', () => {
  assert.deepEqual(tableLines(columns, rows, 60), [
    'id                    purpose                        records',
    'tasks.completed       results of tasks, one for ea…    1,234',
    'alerts.notifications  short                                5',
  ])
  assert.deepEqual(tableLines(columns, rows, 45), [
    'id                    purpose         records',
    'tasks.completed       results of ta…    1,234',
    'alerts.notifications  short                 5',
  ])
})

test('optional columns make room for a text that has to be read, those that go first before the others', () => {
  const columns: readonly Column[] = [
    { name: 'id', keep: true, optional: 'first' },
    { name: 'text', readable: 24 },
    { name: 'state', optional: true },
  ]
  const row = ['0123456789', 'a text of more than thirty characters', 'waiting']
  const heads = [60, 44, 33, 32, 20].map((width) =>
    tableLines(columns, [row], width)[0]?.split(/ +/).join(' '),
  )
  assert.deepEqual(heads, ['id text state', 'text state', 'text state', 'text', 'text'])
})

test('an optional column that says nothing of any row is in a pipe alone', () => {
  const columns: readonly Column[] = [{ name: 'id' }, { name: 'user', optional: true }, { name: 'age' }]
  const rows = [
    ['a', '–', '–'],
    ['b', '', '–'],
  ]
  assert.deepEqual(tableLines(columns, rows, 80), ['id  age', 'a   –', 'b   –'])
  assert.equal(tableLines(columns, rows, Infinity)[0], 'id  user  age')
})

for (const width of [20, 40, 60, 80, 120, 200])
  test(`at ${width} columns no line is wider than the terminal, unless ids and figures are`, () => {
    const least = 'alerts.notifications'.length + 8 + 'records'.length + 4
    for (const line of tableLines(columns, rows, width))
      assert.ok([...line].length <= Math.max(width, least), line)
  })

test('a cell is one line, and what would control the terminal is escaped', () => {
  const [, line] = tableLines([{ name: 'text' }], [['a\nb\u001b[2J\u0000']], Infinity)
  assert.equal(line, 'a b\\u{001b}[2J\\u{0000}')
})

const shown: [string, string][] = [
  [elapsed(640), '640 ms'],
  [elapsed(59_949), '59.9 s'],
  [elapsed(240_000), '4 min'],
  [elapsed(9_000_000), '2.5 h'],
  [elapsed(86_400_000 * 3), '3 d'],
  [money(0.00312), '$0.0031'],
  [money(1234.5), '$1234.50'],
  [share(0.3141), '31.4 %'],
  [share(null), '–'],
  [moment(Date.UTC(2026, 10, 28, 13, 45, 7)), '2026-11-28 13:45:07Z'],
  [plural(1, 'error'), '1 error'],
  [plural(1_200, 'error'), '1,200 errors'],
]
for (const [given, wanted] of shown) test(`${wanted}, as people read it`, () => assert.equal(given, wanted))

test('a column is not cut below its header', () => {
  const columns = [{ name: 'repeatable' }, { name: 'description' }]
  const row = ['yes, twice in a row', 'a long text that a narrow terminal does not hold']
  assert.equal(tableLines(columns, [row], 20)[0], 'repeatable  description')
})
