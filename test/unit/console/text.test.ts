// What the page makes of texts that tasks and viewers wrote.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyDraft, draftOf, taskOf } from '../../../console/src/new/draft.ts'
import { pythonParts } from '../../../console/src/python.ts'
import { matched } from '../../../console/src/router-paths.ts'
import { line, parts, visible, withoutCode } from '../../../console/src/text.ts'
import { ownMs } from '../../support/own-time.ts'

test('what hides or reorders text is shown as what it is', () => {
  assert.equal(visible('a\u202eb\u2066c\u0000d\u200be\nf\tg'), 'a⟨202e⟩b⟨2066⟩c⟨0000⟩d⟨200b⟩e\nf\tg')
  assert.equal(line('  two\n lines  '), 'two lines')
  assert.equal(line('x'.repeat(300), 10), `${'x'.repeat(10)}…`)
  assert.equal(
    visible('a\u00adb\u2060c\u3164d\u{e0041}e\u2028f\ud800g'),
    'a⟨00ad⟩b⟨2060⟩c⟨3164⟩d⟨e0041⟩e⟨2028⟩f⟨d800⟩g',
  )
  assert.equal(visible(`Z${'\u0301'.repeat(300)}`), `Z${'\u0301'.repeat(4)}`, 'marks do not pile up')
  assert.equal(line('ab😀', 3), 'ab…', 'no half of a character')
  assert.deepEqual([line(''), line('  \n ')], ['', '⟨blank⟩'], 'a name of spaces can be seen')
  const others = [undefined, null, 7, { a: 1 }] as unknown as string[]
  assert.deepEqual(
    others.map((each) => line(each)),
    ['–', '–', '7', '{ "a": 1 }'],
  )
})

test('parts are the whole text, cut at line ends where there are any', () => {
  for (const text of ['', 'short', 'a\n'.repeat(9_000), 'x'.repeat(20_001)]) {
    const found = parts(text, 1_000)
    assert.equal(found.join(''), text)
    assert.ok(found.every((part) => part.length <= 1_001))
  }
  assert.ok(parts('a\n'.repeat(9_000), 1_000).every((part) => part.endsWith('\n')))
})

test('an answer without its code', () => {
  assert.equal(withoutCode('Look:\n```python\nx = 1\n```\nDone.'), 'Look:\n\nDone.')
  assert.equal(withoutCode('Look:\n```python\nnever closed'), 'Look:')
})

test('Python in colours is the same text, and no text makes it slow', () => {
  const code = `def f(x):  # why "not"\n    return f'{x}' + """a\nb""" * 2 if x else None`
  const found = pythonParts(code)
  assert.equal(found.map(({ text }) => text).join(''), code)
  const of = (kind: string) => found.filter((part) => part.kind === kind).map(({ text }) => text)
  assert.deepEqual(of('keyword'), ['def', 'return', 'if', 'else'])
  assert.deepEqual(of('comment'), ['# why "not"'])
  assert.deepEqual(of('string'), ["f'{x}'", '"""a\nb"""'])
  for (const hostile of [
    '"'.repeat(39_999),
    "'''".repeat(13_000),
    'rb'.repeat(19_000),
    '\\'.repeat(39_000),
  ]) {
    const begun = ownMs()
    assert.equal(
      pythonParts(hostile)
        .map(({ text }) => text)
        .join(''),
      hostile,
    )
    assert.ok(ownMs() - begun < 2_000, hostile.slice(0, 6))
  }
})

test('paths give their parameters, and broken ones nothing', () => {
  assert.deepEqual(matched('/tasks/:id', '/tasks/a%2Fb'), { id: 'a/b' })
  for (const path of ['/tasks', '/tasks/', '/tasks/a/b', '/tasks/%E0%A4%A'])
    assert.equal(matched('/tasks/:id', path), null)
})

test('a draft is a task; what is wrong is named and left out', () => {
  const { task, mistakes } = taskOf({
    ...emptyDraft,
    text: 'Do it',
    maxSteps: '7',
    timeoutS: '1,5',
    maxCost: 'much',
    outputSchema: '[1]',
    agent: ' clerk ',
  })
  assert.deepEqual(task, { text: 'Do it', agent: 'clerk', maxSteps: 7, timeoutMs: 1_500 })
  assert.deepEqual(mistakes, { maxCost: 'must be a number', outputSchema: 'must be a JSON object' })
  const again = taskOf(
    draftOf({
      text: 'Do it',
      taskId: 'old',
      maxSteps: 7,
      timeoutMs: 1_500,
      outputSchema: { type: 'object' },
      userId: 'ana',
    }),
  )
  assert.deepEqual(again.task, {
    text: 'Do it',
    maxSteps: 7,
    timeoutMs: 1_500,
    outputSchema: { type: 'object' },
  })
})
