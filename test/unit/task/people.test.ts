// People as approvals count them: by who stands behind a vote, and by what it is for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maybeSamePerson, mostAgreeing, peopleIn } from '../../../runtime/task/people.ts'

const vote = (by: string | null, given: object | null = null, madeBy: string[] = []) => ({
  ...{ by, madeBy, arguments: given as never },
})

test('votes that have somebody in common are one person’s', () => {
  assert.equal(peopleIn([vote('ann'), vote('bo', null, ['ann']), vote('cy', null, ['bo'])]), 1)
  assert.equal(peopleIn([vote('ann'), vote('dee', null, ['cy']), vote('bo', null, ['cy', 'ann'])]), 1)
  assert.equal(peopleIn([vote('ann'), vote('bo')]), 2)
})

test('those agree who mean the same arguments, however these are written; the most of them count', () => {
  const asked = { amount: 5, to: 'x' }
  assert.equal(mostAgreeing(asked, []), 0)
  assert.equal(mostAgreeing(asked, [vote('ann'), vote('bo', { to: 'x', amount: 5 })]), 2)
  assert.equal(mostAgreeing(asked, [vote('ann'), vote('bo', { amount: 6 }), vote('cy', { amount: 6 })]), 2)
  assert.equal(mostAgreeing(asked, [vote('ann'), vote('bo', null, ['ann'])]), 1, 'two votes, one person')
})

test('another spelling is the same person, a look-alike is another', () => {
  for (const spelt of ['Jose\u0301', 'JOS\u00c9', ' jos\u00e9 ', '\uff2aos\u00e9'])
    assert.ok(maybeSamePerson('Jos\u00e9', spelt), spelt)
  assert.ok(!maybeSamePerson('ann', '\u0430nn'))
  assert.ok(!maybeSamePerson('ann', 'anna'))
})
