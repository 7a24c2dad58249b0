// A member that leaves while requests of its are under way: callers that wait for it learn so.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAssignment } from '../../../../runtime/log/kafka/connection/client.ts'
import { GroupMember } from '../../../../runtime/log/kafka/group/member.ts'
import type { Link } from '../../../../runtime/log/kafka/connection/link.ts'

const options = {
  groupId: 'g',
  protocol: 'flotilla-lanes',
  topics: ['t'],
  laneCount: 1,
  sessionTimeoutMs: 6_000,
  rebalanceTimeoutMs: 6_000,
  heartbeatMs: 60_000,
} as const

/** A coordinator whose heartbeats are answered by the test. */
function group() {
  const heartbeats: PromiseWithResolvers<void>[] = []
  const asked = Promise.withResolvers<void>()
  const coordinator = {
    joinGroup: async () => ({ memberId: 'm', leaderId: 'other', generationId: 1, members: [] }),
    syncGroup: async () => ({ memberAssignment: encodeAssignment(['t'], [0]) }),
    leaveGroup: async () => {},
    heartbeat: () => {
      const answer = Promise.withResolvers<void>()
      heartbeats.push(answer)
      asked.resolve()
      return answer.promise
    },
  }
  const link = {
    connect: async () => {},
    recover: async () => {},
    coordinator: async () => coordinator,
    attempt: (work: () => Promise<unknown>) => work(),
  }
  return { link: link as unknown as Link, heartbeats, asked: asked.promise }
}

for (const type of ['UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS', 'NOT_RETRYABLE'] as const) {
  test(`a confirmation under way when the member leaves is rejected if its heartbeat fails with ${type}`, async () => {
    const { link, heartbeats, asked } = group()
    const assigned = Promise.withResolvers<void>()
    const member = new GroupMember(link, link, options, {
      onAssignment: () => assigned.resolve(),
      onTrouble: () => {},
    })
    await assigned.promise
    const confirmed = member.confirm().then(
      () => 'confirmed',
      (error: unknown) => String(error),
    )
    await asked
    const leaving = member.leave()
    heartbeats[0]?.reject(Object.assign(new Error(type), { type }))
    await leaving
    assert.match(await confirmed, /has left g/)
    await assert.rejects(member.confirm(), /has left g/)
  })
}
