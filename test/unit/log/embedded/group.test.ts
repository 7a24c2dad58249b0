import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignLanes } from '../../../../runtime/log/embedded/group.ts'

const lanesOf = (assigned: ReadonlyMap<number, string>, member: string): number[] =>
  [...assigned].filter(([, holder]) => holder === member).map(([lane]) => lane)

test('lanes are shared evenly, every lane once, and as few as possible move', () => {
  let held = new Map<number, string>()
  const fleets = [
    ['a'],
    ['a', 'b'],
    ['a', 'b', 'c'],
    ['b', 'c'],
    ['b', 'c', 'd', 'e', 'f'],
    ['f'],
    ['f', 'g'],
  ]
  for (const members of fleets) {
    const next = assignLanes(12, members, held)
    assert.equal(next.size, 12)
    const sizes = members.map((member) => lanesOf(next, member).length)
    assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`)
    for (const member of members) {
      const before = lanesOf(held, member)
      const kept = before.filter((lane) => next.get(lane) === member)
      const fairShare = Math.floor(12 / members.length)
      assert.ok(kept.length >= Math.min(before.length, fairShare), `${member} keeps what it may`)
    }
    held = next
  }
})

test('no members: no lane is held; more members than lanes: some hold none', () => {
  assert.equal(assignLanes(12, [], new Map([[0, 'gone']])).size, 0)
  const assigned = assignLanes(2, ['a', 'b', 'c'], new Map())
  assert.deepEqual([assigned.get(0), assigned.get(1)].sort(), ['a', 'b'])
})

test('members that already share evenly are left alone', () => {
  const held = new Map([...Array(11).keys()].map((lane) => [lane, lane % 2 === 0 ? 'a' : 'b']))
  assert.deepEqual(assignLanes(11, ['a', 'b'], held), held)
  assert.deepEqual(assignLanes(11, ['b', 'a'], held), held)
})

test('a declined lane goes to a member that has not declined it, else to nobody', () => {
  const declines = (member: string, lane: number) => member === 'old' && lane === 1
  assert.deepEqual([...assignLanes(3, ['old'], new Map(), declines).keys()], [0, 2])
  const held = new Map([0, 1, 2].map((lane) => [lane, 'old']))
  assert.equal(assignLanes(3, ['old', 'new'], held, declines).get(1), 'new')
})
