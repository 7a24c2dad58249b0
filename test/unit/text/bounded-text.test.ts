import assert from 'node:assert/strict'
import { test } from 'node:test'
import { boundedDetails, boundedText, MESSAGE_CHARS } from '../../../runtime/text/bounded-text.ts'
import { failure, FlotillaError, plainFailure, toFailure } from '../../../runtime/errors.ts'

const page = `HTTP 502 ${'<p>'.repeat(500_000)} the end`

test('a text within its bound stays as it is, and a bounded one too', () => {
  assert.equal(boundedText('short'), 'short')
  const exact = 'x'.repeat(MESSAGE_CHARS)
  assert.equal(boundedText(exact), exact)
  assert.equal(boundedText(boundedText(page)), boundedText(page))
})

test('a longer one keeps its beginning and its end, and says how much is missing', () => {
  const cut = boundedText(page)
  assert.ok(cut.length <= MESSAGE_CHARS)
  const [, count = ''] = /^HTTP 502 <p>.* … \[(\d+) characters cut\] … .* the end$/.exec(cut) ?? []
  const note = ` … [${count} characters cut] … `
  assert.equal(cut.length - note.length + Number(count), page.length)
})

test('a pair of surrogates is not torn apart, wherever the cut falls', () => {
  for (let shift = 0; shift < 4; shift++)
    for (const limit of [200, 201, 1_000, MESSAGE_CHARS])
      assert.ok(boundedText('.'.repeat(shift) + '😀'.repeat(20_000), limit).isWellFormed())
})

test('every failure that becomes data has a bounded message', () => {
  const thrown = new FlotillaError('TOOL_FAILED', page)
  const old = { ...failure('TOOL_FAILED', ''), message: page }
  for (const { message } of [thrown, toFailure(thrown), toFailure(new Error(page)), plainFailure(old)])
    assert.ok(message.length <= MESSAGE_CHARS)
  assert.ok(failure('TOOL_FAILED', page).message.startsWith('HTTP 502'))
})

test('details past their bound are replaced by a note of their size', () => {
  const small = { inputTokens: 3 }
  assert.equal(boundedDetails(small), small)
  assert.equal(boundedDetails(undefined), undefined)
  assert.deepEqual(boundedDetails({ n: 1n }), { cut: 'details that are no JSON' })
  assert.deepEqual(boundedDetails({ page }), {
    cut: `${JSON.stringify({ page }).length} characters of details`,
  })
})
