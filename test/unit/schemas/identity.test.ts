import assert from 'node:assert/strict'
import { test } from 'node:test'
import { identityMistakes, shown, taskIdMistake } from '../../../schemas/identity.ts'

test('a task id is short and plain; what is said of another one is cut and escaped', () => {
  for (const id of ['a', 'order-1', 'A.b_c:d-9', '...', '.a', 'f'.repeat(128)])
    assert.equal(taskIdMistake(id), null)
  const wrong = [
    '',
    'a/b',
    'a%2Fb',
    'a b',
    'a\n',
    'a\u0000',
    'é',
    '\ud800',
    '..\\x',
    'f'.repeat(129),
    7,
    null,
    undefined,
  ]
  for (const id of wrong) assert.match(taskIdMistake(id) ?? '', /taskId/)
  const huge = taskIdMistake('x/'.repeat(500_000)) ?? ''
  assert.ok(huge.length < 300, huge.slice(0, 400))
  assert.match(huge, /letters, digits.*1000000 characters/)
  assert.match(
    taskIdMistake('a\u0000\u001b[31m\ud800\u202e') ?? '',
    /"a\\u\{0000\}\\u\{001b\}\[31m\\u\{d800\}\\u\{202e\}"/,
  )
})

test('what stands in a path of a URL is nothing that a URL drops', () => {
  for (const id of ['.', '..']) {
    assert.equal(new URL(`http://h/v1/tasks/${encodeURIComponent(id)}/x`).pathname.includes(`/${id}/`), false)
    assert.match(taskIdMistake(id) ?? '', /no \. or \.\. alone.* can't be "\.+"/)
    assert.match(identityMistakes('TaskSubmitted', { sessionId: id }).join(), /sessionId can't be "\.+"/)
    assert.deepEqual(identityMistakes('TaskSubmitted', { userId: id }), [])
  }
})

test('names have no control characters, no lone surrogates, and 200 characters at most', () => {
  const mistake = (userId: string) => identityMistakes('TaskSubmitted', { userId }).join()
  for (const name of ['ann', 'Ann Ó Súilleabháin', '王', '🙂', 'a/b%', 'x'.repeat(200)])
    assert.equal(mistake(name), '', name)
  for (const name of [
    'a\u0000b',
    'a\tb',
    'a\nb',
    '\u001b[2J',
    '\u007f',
    'a\u0085b',
    '\udc00',
    '🙂'.slice(0, 1),
    'a\u2028b',
  ])
    assert.match(mistake(name), /userId has a control character, \\u\{[0-9a-f]{4}\}/)
  for (const name of ['ann\u200b', '\ufeffann', 'a\u202enn', 'a\u00adnn', '\u2066ann\u2069'])
    assert.match(mistake(name), /userId has an invisible character, \\u\{[0-9a-f]{4}\}/)
  for (const name of ['\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645', '👩\u200d💻', 'शर्मा'])
    assert.equal(mistake(name), '', name)
  for (const name of ['', '  ', 'x'.repeat(201)])
    assert.match(mistake(name), /userId must have 1 to 200 characters/)
})

test('remarks may have lines and tabs, and no other control characters', () => {
  const mistake = (comment: string) => identityMistakes('FeedbackGiven', { taskId: 't', comment }).join()
  for (const text of ['', 'good\n\tvery\r\n', 'x'.repeat(10_000)]) assert.equal(mistake(text), '')
  for (const text of ['a\u0000', '\u001b', '\ud800', '\u0085'])
    assert.match(mistake(text), /comment has a control character/)
  assert.match(mistake('x'.repeat(10_001)), /10001 characters, at most 10000/)
})

test('every mistake is named at once, and what is absent is none', () => {
  const mistakes = identityMistakes('ApprovalDecided', {
    taskId: 'a/b',
    callId: '\u0000',
    reason: null,
    decidedBy: '',
  })
  assert.deepEqual(
    mistakes.map((text) => text.split(' ')[0]),
    ['taskId', 'callId', 'decidedBy'],
  )
  assert.deepEqual(identityMistakes('TaskSubmitted', { taskId: null, userId: null }), [])
  assert.deepEqual(identityMistakes('ToolRequested', { taskId: 'a/b' }), [], 'not for anyone to write')
})

test('what is shown ends', () => {
  assert.equal(shown('plain'), 'plain')
  assert.ok(shown('\u0000'.repeat(1_000_000)).length < 600)
})
