import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tableLines } from '../../../cli/output/table.ts'
import { cutTo, widthOf, wrapped } from '../../../cli/output/text-width.ts'

test('the columns that a terminal gives a text', () => {
  for (const [text, width] of [
    ['plain', 5],
    ['naïve', 5],
    ['e\u0301', 1],
    ['日本語', 6],
    ['한국', 4],
    ['ｱｲ', 2],
    ['！', 2],
    ['👩‍👩‍👧', 2],
    ['❤️', 2],
    ['→…', 2],
    ['', 0],
  ] as const)
    assert.equal(widthOf(text), width, JSON.stringify(text))
})

test('a text is cut between characters, never wider than asked', () => {
  assert.equal(cutTo('日本語です', 5), '日本…')
  assert.equal(cutTo('日本語です', 6), '日本…')
  assert.equal(cutTo('日本', 4), '日本')
  assert.equal(cutTo('e\u0301e\u0301e\u0301', 2), 'e\u0301…')
})

test('columns behind wide characters stay aligned, and the table fits', () => {
  const columns = [{ name: 'text' }, { name: 'n', kind: 'figure' }] as const
  const rows = [
    ['日本語の質問です、とても長い', '1'],
    ['plain', '22'],
  ]
  const lines = tableLines(columns, rows, 16)
  assert.deepEqual(lines.map(widthOf), [16, 16, 16])
})

test('lines are broken between words, and a word is never cut', () => {
  assert.deepEqual(wrapped('the model did not answer', 10), ['the model', 'did not', 'answer'])
  assert.deepEqual(wrapped('at http://127.0.0.1:8000 now', 10), ['at', 'http://127.0.0.1:8000', 'now'])
  assert.deepEqual(wrapped('one line', Infinity), ['one line'])
})
