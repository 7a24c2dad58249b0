import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EvaluationCase } from '../../../api/schemas/evaluations.ts'
import { Budget, Tally } from '../../../evaluation/spending.ts'

const row = (caseId: string, cost: number, score: number | null = 1, judgeCost = 0): EvaluationCase =>
  ({ caseId, cost, judgeCost, score }) as EvaluationCase
const tallyOf = (...rows: EvaluationCase[]) => new Tally(rows, ({ caseId }) => caseId)

test('a case that is scored again takes the place of its earlier row, in the sums too', () => {
  const tally = tallyOf(row('a', 1, null), row('b', 2))
  assert.deepEqual([tally.size, tally.scored, tally.spent, tally.dearest], [2, 1, 3, 2])
  tally.put(row('a', 0.5, 1, 0.25))
  assert.deepEqual([tally.size, tally.scored, tally.spent], [2, 2, 2.75])
  assert.equal(tally.get('a')?.cost, 0.5)
})

test('sums do not take longer the more cases there are', () => {
  const tally = tallyOf()
  const budget = new Budget(tally, { maxCost: 1e9, concurrency: 4 })
  const before = process.cpuUsage()
  for (let number = 0; number < 200_000; number += 1) {
    const share = budget.begin() ?? 0
    tally.put(row(`c${number}`, 1))
    budget.end(share)
  }
  assert.equal(tally.spent, 200_000)
  assert.ok(process.cpuUsage(before).user < 10_000_000, 'adding them all up each time takes minutes')
})

test('however dear a case turns out to be, together they never pass the limit', () => {
  for (const concurrency of [1, 2, 8, 100])
    for (const cheap of [0.001, 0.05, 0.3]) {
      const tally = tallyOf()
      const budget = new Budget(tally, { maxCost: 1, concurrency })
      const running: number[] = []
      let ended = 0
      const end = () => {
        const share = running.shift() ?? 0
        // Cheap ones at first, then each takes all that it may.
        const cost = ended < 3 ? Math.min(cheap, share) : share
        tally.put(row(`c${ended}`, cost, cost < share ? 1 : null))
        budget.end(share)
        ended += 1
      }
      for (let left = 300; left > 0;) {
        const share = budget.begin()
        if (share !== null) {
          left -= 1
          running.push(share)
          assert.ok(running.length <= concurrency)
          if (running.length === concurrency) end()
        } else if (running.length > 0) end()
        else break
      }
      while (running.length > 0) end()
      assert.ok(tally.spent <= 1 + 1e-9, `${concurrency} at once, ${cheap}: ${tally.spent}`)
      assert.ok(ended >= 3, 'and some were tried')
    }
})

test('one at a time until a case is paid for; nothing once the limit is reached, whatever has a score', () => {
  const tally = tallyOf()
  const budget = new Budget(tally, { maxCost: 1, concurrency: 4 })
  assert.equal(budget.begin(), 1)
  assert.equal(budget.begin(), null)
  tally.put(row('a', 1.2, null))
  budget.end(1)
  assert.equal(budget.begin(), null, 'the first case has passed the limit, and has no score')
  assert.equal(new Budget(tallyOf(), { maxCost: null, concurrency: 4 }).begin(), Infinity)
})

test('who waits goes on when one of those that run has ended', async () => {
  const tally = tallyOf()
  const budget = new Budget(tally, { maxCost: 1, concurrency: 2 })
  const share = budget.begin() ?? 0
  const waiting = budget.ended()
  tally.put(row('a', 0.1))
  budget.end(share)
  await waiting
  assert.ok(budget.begin() !== null && budget.begin() !== null, 'both may run now')
})
