// Who may decide, and how many people agree: an approver is a person, and not a key.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineTool } from '../../../runtime/config/define.ts'
import type { ApprovalDefinition } from '../../../runtime/config/approvals.ts'
import { drive } from '../../../runtime/testing/stage-driver.ts'
import type { ApprovalDecided } from '../../../schemas/generated/events.ts'
import { createToolExecutorStage } from '../../../services/tool-executor/stage.ts'
import { decision } from '../../support/decisions.ts'

const START = 1_750_000_000_000

/** A call of a task of ann that waits. */
function held(requiresApproval: ApprovalDefinition, userId: string | null = 'ann') {
  const pay = { name: 'pay', description: 'Pays.', input: { type: 'object' }, run: () => null }
  const driver = drive(createToolExecutorStage({ tools: [defineTool({ ...pay, requiresApproval })] }), {
    now: START,
  })
  driver.send('tools.requested', 'ToolRequested', {
    ...{ taskId: 't', callId: 'c', tool: 'pay', arguments: { amount: 5 }, requester: 'planner', step: 1 },
    ...{ deadlineMs: START + 60_000, userId, cacheTtlMs: null, agent: null, ask: false, delegation: null },
  })
  const decide = (given: Partial<ApprovalDecided>) => {
    driver.send('tasks.control', 'ApprovalDecided', decision({ taskId: 't', callId: 'c', ...given }))
    const { kind, detail } = driver.all('TaskProgressed').at(-1) ?? {}
    assert.equal(kind, 'approval_decided')
    const { outcome, problem, missing } = detail as Record<'outcome' | 'problem' | 'missing', unknown>
    return problem ?? missing ?? outcome
  }
  return { driver, decide }
}

const by = (decidedBy: string, key: string, madeBy: string[] = []): Partial<ApprovalDecided> => ({
  ...{ decidedBy, credential: `key ${key} (1)`, madeBy },
})

test('one person with two keys, or with a key made for somebody else, is one person', () => {
  const { driver, decide } = held({ needed: 3 })
  assert.equal(decide(by('ann', 'laptop')), 2)
  assert.equal(decide(by('ann', 'phone')), 2)
  assert.equal(decide(by('bo', 'bo', ['ann'])), 2, 'ann made the key of bo')
  assert.equal(decide(by('cy', 'cy', ['bo'])), 2, 'and through bo that of cy')
  assert.equal(decide(by('dee', 'dee')), 1)
  assert.equal(decide(by('bo', 'other')), 'approved', 'ann, dee, and bo or cy: bo made the key of cy')
  driver.answer({ output: null, cached: false })
  const { decisions } = driver.only('ToolCompleted').approval as { decisions: object[] }
  assert.deepEqual(decisions[0], {
    ...{ by: 'ann', credential: 'key phone (1)', approved: true, reason: null, atMs: START },
  })
  assert.equal(decisions.length, 4)
})

test('approvers are people: neither the name of a key counts, nor who made a key for one of them', () => {
  const { decide } = held({ approvers: { users: ['bo', 'cy'] } })
  assert.match(String(decide(by('ann', 'bo'))), /ann may not decide it; its approvers are: bo, cy/)
  assert.match(
    String(decide(by('bo', 'bo', ['ann']))),
    /ann, who made the key bo \(1\) of bo, may not decide it/,
  )
  assert.match(
    String(decide({ credential: 'key bo (1)', madeBy: [] })),
    /the key bo \(1\) is no person's.*: decide with a key that has a user/,
  )
  assert.equal(decide(by('bo', 'bo', ['cy'])), 'approved', 'cy may decide it too')
})

test('with selfApproval: false another person than the task’s user decides', () => {
  const { decide } = held({ selfApproval: false })
  assert.match(String(decide(by('ann', 'a'))), /ann submitted the task, and another person must decide/)
  assert.match(
    String(decide(by('bo', 'b', ['ann']))),
    /ann, who made the key b \(1\) of bo, submitted the task/,
  )
  assert.match(String(decide({ credential: 'key b (1)' })), /no person's/)
  assert.equal(decide(by('bo', 'b')), 'approved')
  const unknown = held({ selfApproval: false }, null)
  assert.match(
    String(unknown.decide(by('bo', 'b'))),
    /its task names no user.*submit such tasks with a userId/,
  )
  assert.equal(held({}).decide(by('ann', 'a')), 'approved', 'the default')
})

test('votes that do not settle it are bounded in number and in size', () => {
  const { driver, decide } = held({ needed: 2 })
  for (let n = 0; n < 100; n++) assert.equal(decide({ ...by(`u${n}`, 'k'), arguments: { n } }), 1)
  assert.match(String(decide({ ...by('late', 'k'), arguments: { n: 100 } })), /100 people have voted already/)
  assert.equal(decide({ ...by('u3', 'k'), arguments: { n: 103 } }), 1, 'a vote may be changed')
  assert.equal((driver.all('CallHeld').at(-1)?.votes as unknown[]).length, 100)
  assert.equal(decide({ ...by('late', 'k'), arguments: { n: 50 } }), 'approved', 'and it can be settled')
  const big = held({ needed: 20 })
  const text = 'x'.repeat(500_000)
  assert.equal(big.decide({ ...by('u1', 'k'), arguments: { text } }), 19)
  assert.equal(big.decide({ ...by('u2', 'k'), arguments: { text } }), 18)
  assert.match(
    String(big.decide({ ...by('u3', 'k'), arguments: { text } })),
    /more than 1,200,000 characters/,
  )
})

test('another spelling of a name makes no second person, and gives nobody the rights of the first', () => {
  const [whole, apart, cyrillic] = ['Jos\u00e9', 'Jose\u0301', 'J\u043es\u00e9']
  const { decide } = held({ needed: 2 })
  assert.equal(decide(by(whole, 'a')), 1)
  for (const spelt of [apart, 'jos\u00e9', ` ${whole}\u00a0`])
    assert.equal(decide(by(spelt, 'b')), 1, 'one vote')
  assert.equal(decide(by(cyrillic, 'c')), 'approved')
  const listed = held({ approvers: { users: [whole] } })
  for (const spelt of [apart, cyrillic, 'jos\u00e9'])
    assert.match(String(listed.decide(by(spelt, 'c'))), /may not decide it/)
  assert.equal(listed.decide(by(whole, 'a')), 'approved')
  const own = held({ selfApproval: false }, whole)
  assert.match(String(own.decide(by(apart, 'b'))), /submitted the task/)
})
