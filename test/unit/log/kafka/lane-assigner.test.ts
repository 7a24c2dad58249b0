import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  assignLanes,
  decodeClaim,
  encodeClaim,
  type Claim,
} from '../../../../runtime/log/kafka/group/assigner.ts'

const claim = (memberId: string, lanes: number[] = [], generation = 1): Claim => ({
  memberId,
  generation,
  lanes,
})
const asObject = (assigned: Map<string, number[]>): Record<string, number[]> => Object.fromEntries(assigned)

test('a lone member gets every lane', () => {
  assert.deepEqual(asObject(assignLanes([claim('a')], 4)), { a: [0, 1, 2, 3] })
})

test('a joining member takes only what balance asks for (1, 2)', () => {
  const assigned = assignLanes([claim('a', [0, 1, 2, 3, 4, 5]), claim('b')], 6)
  assert.deepEqual(asObject(assigned), { a: [0, 1, 2], b: [3, 4, 5] })
})

test('when a member leaves, the others keep theirs and share the rest (1, 2)', () => {
  const assigned = assignLanes([claim('a', [0, 3]), claim('b', [1, 4])], 6)
  assert.deepEqual(asObject(assigned), { a: [0, 2, 3], b: [1, 4, 5] })
})

test('the larger shares go to those who have more already (2)', () => {
  assert.deepEqual(asObject(assignLanes([claim('a', [0, 1]), claim('b', [2, 3, 4])], 5)), {
    b: [2, 3, 4],
    a: [0, 1],
  })
})

test('more members than lanes: some have none', () => {
  const assigned = assignLanes([claim('c'), claim('a', [1]), claim('b', [0])], 2)
  assert.deepEqual(asObject(assigned), { a: [1], b: [0], c: [] })
})

test('a lane claimed twice belongs to the later generation (4)', () => {
  const stale = claim('a', [0, 1], 3)
  const current = claim('b', [1, 2], 7)
  assert.deepEqual(asObject(assignLanes([stale, current], 4)), { a: [0, 3], b: [1, 2] })
})

test('every lane once, balanced, least movement, whatever the order (1, 2, 3)', () => {
  let seed = 7
  const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below
  for (let round = 0; round < 300; round++) {
    const lanes = 1 + random(16)
    const members = 1 + random(6)
    const claims = Array.from({ length: members }, (_, index) => claim(`m${index}`))
    const held = Array.from({ length: lanes }, () => random(members + 1))
    const owned = claims.map(({ memberId }, index) =>
      claim(
        memberId,
        held.flatMap((owner, lane) => (owner === index ? [lane] : [])),
      ),
    )
    const assigned = assignLanes(owned, lanes)
    const all = [...assigned.values()].flat().sort((a, b) => a - b)
    assert.deepEqual(
      all,
      Array.from({ length: lanes }, (_, lane) => lane),
    )
    const counts = [...assigned.values()].map((of) => of.length)
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, 'balanced')
    assert.deepEqual(asObject(assignLanes([...owned].reverse(), lanes)), asObject(assigned))
    for (const { memberId, lanes: had } of owned) {
      const now = assigned.get(memberId) ?? []
      const lost = had.filter((lane) => !now.includes(lane))
      const gained = now.filter((lane) => !had.includes(lane))
      assert.ok(lost.length === 0 || gained.length === 0, `${memberId} lost ${lost} and gained ${gained}`)
    }
  }
})

test('claims survive encoding, and one that can not be read claims nothing', () => {
  assert.deepEqual(decodeClaim('a', encodeClaim({ generation: 5, lanes: [1, 2] })), claim('a', [1, 2], 5))
  for (const garbage of ['', '[]', '{"lanes":3}', '\u0000']) {
    assert.deepEqual(decodeClaim('a', Buffer.from(garbage)), claim('a', [], -1))
  }
})

test('a declined lane goes to a member that has not declined it, else to nobody (4)', () => {
  const declining = { ...claim('a', [0, 1, 2, 3]), declined: [1, 3] }
  assert.deepEqual(asObject(assignLanes([declining], 4)), { a: [0, 2] })
  assert.deepEqual(asObject(assignLanes([declining, claim('b')], 4)), { a: [0, 2], b: [1, 3] })
  const { memberId, ...rest } = declining
  assert.deepEqual(decodeClaim(memberId, encodeClaim(rest)), declining)
})
