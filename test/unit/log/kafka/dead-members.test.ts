// A member whose process is dead is taken out of its group, by one that has just joined.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeAssignment, encodeSubscription } from '../../../../runtime/log/kafka/connection/client.ts'
import { GroupMember } from '../../../../runtime/log/kafka/group/member.ts'
import { decodeClaim, encodeClaim } from '../../../../runtime/log/kafka/group/assigner.ts'
import type { Link } from '../../../../runtime/log/kafka/connection/link.ts'
import { ownMark } from '../../../../runtime/process-mark.ts'

const options = {
  groupId: 'g',
  protocol: 'flotilla-lanes',
  topics: ['t'],
  laneCount: 1,
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 6_000,
  heartbeatMs: 60_000,
} as const

const own = (await ownMark()) ?? ''
const place = own.slice(0, 17)
const metadataOf = (mark: string): Buffer =>
  encodeSubscription(['t'], encodeClaim({ generation: 1, lanes: [0], mark }))

/** A coordinator that holds the join until nobody is left who has not joined, as brokers do. */
function group(members: Record<string, Buffer>) {
  const said: string[] = []
  const left = new Set(Object.keys(members))
  const alone = Promise.withResolvers<void>()
  let state = 'Stable'
  const coordinator = {
    describeGroups: async () => {
      const shown = [...left].map((memberId) => {
        return { memberId, memberMetadata: state === 'Stable' ? members[memberId] : Buffer.alloc(0) }
      })
      // Asked again after the join has arrived: it may take a while.
      if (said.includes('join')) state = 'PreparingRebalance'
      return { groups: [{ state, members: shown }] }
    },
    joinGroup: async () => {
      said.push('join')
      await alone.promise
      return { memberId: 'm', leaderId: 'other', generationId: 2, members: [] }
    },
    leaveGroup: async ({ memberId }: { memberId: string }) => {
      said.push(`leave ${memberId} ${state}`)
      left.delete(memberId)
      if (left.size === 0) alone.resolve()
    },
    syncGroup: async () => ({ memberAssignment: encodeAssignment(['t'], [0]) }),
    heartbeat: () => new Promise(() => {}),
  }
  const link = {
    connect: async () => {},
    recover: async () => {},
    coordinator: async () => coordinator,
    attempt: (work: () => Promise<unknown>) => work(),
  }
  return { link: link as unknown as Link, said, end: () => alone.resolve() }
}

async function joinedBy(t: TestContext, link: Link): Promise<void> {
  const assigned = Promise.withResolvers<void>()
  const listener = { onAssignment: () => assigned.resolve(), onTrouble: () => {} }
  const member = new GroupMember(link, link, options, listener)
  t.after(() => void member.leave())
  await assigned.promise
}

test('a dead member leaves by the hand of the next, once the group waits for it', async (t) => {
  const { link, said } = group({ dead: metadataOf(place + '0'.repeat(32)) })
  await joinedBy(t, link)
  assert.deepEqual(said, ['join', 'leave dead PreparingRebalance'])
})

test('members that live, that are elsewhere, or that do not say are left alone', async (t) => {
  const { link, said, end } = group({
    alive: metadataOf(own),
    elsewhere: metadataOf(`${'0'.repeat(16)}.${'0'.repeat(32)}`),
    older: encodeSubscription(['t'], encodeClaim({ generation: 1, lanes: [0] })),
    foreign: Buffer.from('x'),
  })
  setImmediate(function look() {
    if (said.includes('join')) end()
    else setImmediate(look)
  })
  await joinedBy(t, link)
  assert.deepEqual(said, ['join'])
})

test('a claim carries the mark of its process; what is no text is none', () => {
  const claim = { generation: 3, lanes: [1], mark: own }
  assert.deepEqual(decodeClaim('m', encodeClaim(claim)), { memberId: 'm', ...claim })
  const odd = Buffer.from('{"generation":3,"lanes":[1],"mark":7}')
  assert.deepEqual(decodeClaim('m', odd), { memberId: 'm', generation: 3, lanes: [1] })
})
