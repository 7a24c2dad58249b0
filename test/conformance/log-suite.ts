// What every adapter of the log port must do. Invariants cited are those of runtime/log/port.ts.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Log } from '../../runtime/log/port.ts'
import { laneTests } from './lane-tests.ts'
import { rebalanceTests } from './rebalance-tests.ts'
import { recordTests } from './record-tests.ts'
import { tailTests } from './tail-tests.ts'

export interface LogUnderTest {
  readonly log: Log
  /** Another process's view of the same log; the suite closes it. */
  readonly second?: () => Promise<Log>
  stop(): Promise<void>
}

/** `open` gives a log of at least two partitions whose topics are empty. */
export function logSuite(name: string, open: () => Promise<LogUnderTest>): void {
  describe(`log: ${name}`, () => {
    let opened: LogUnderTest | null = null
    const subject = (): LogUnderTest => {
      assert.ok(opened, 'the log under test could not be opened')
      return opened
    }
    before(async () => {
      opened = await open()
      await opened.log.ensureTopics(['planner'])
    })
    after(() => opened?.stop())

    test('ensureTopics may be called again', async () => {
      await subject().log.ensureTopics(['planner', 'router'])
      await subject().log.check()
    })
    recordTests(subject)
    laneTests(subject)
    tailTests(subject)
    rebalanceTests(subject)
  })
}
