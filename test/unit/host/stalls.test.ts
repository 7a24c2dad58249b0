// What a stage waits for: said once in the log, shown while it lasts, and gone when it works.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlotillaError } from '../../../runtime/errors.ts'
import { Stalls } from '../../../runtime/host/stalls.ts'
import { VirtualClock } from '../../../runtime/testing/simulator/virtual-clock.ts'

function stalling() {
  const clock = new VirtualClock(1_000_000)
  const logged: string[] = []
  const write = (_: object, text: string): void => void logged.push(text)
  const stalls = new Stalls('metering', clock, { warn: write, info: write } as never)
  const again = {
    refuse: (error: unknown): void => {
      if (error instanceof RangeError) throw error
    },
    pause: () => new Promise<void>((resolve) => clock.schedule(100, resolve)),
  }
  const wait = (ms: number) => clock.run(clock.now() + ms, () => false)
  return { stalls, logged, again, wait }
}

test('a database that refuses is a problem after a second, and none once it works', async () => {
  const { stalls, logged, again, wait } = stalling()
  let reason: string | null = 'read-only'
  const step = async (): Promise<string> => {
    if (reason !== null) throw new Error(reason)
    return 'written'
  }
  const writes = [stalls.retry('the ledger', step, again), stalls.retry('the ledger', step, again)]
  await wait(500)
  assert.deepEqual(stalls.problems, [], 'a short absence is no problem')
  await wait(1_000)
  assert.deepEqual(stalls.problems, ["the ledger can't be used, and 2 events wait for that: read-only"])
  assert.deepEqual(logged, ['failed to use the ledger; retrying'], 'not for each event and attempt')
  reason = 'no room'
  await wait(1_000)
  assert.deepEqual(stalls.problems, ["the ledger can't be used, and 2 events wait for that: no room"])
  reason = null
  await wait(200)
  assert.deepEqual(await Promise.all(writes), ['written', 'written'])
  assert.deepEqual(stalls.problems, [])
  assert.deepEqual(logged.slice(1), [
    'failed to use the ledger; retrying',
    'nothing waits for the ledger any more',
  ])
})

test('events whose failures differ only in the key that they name have one line, however often each is repeated', async () => {
  const { stalls, logged, again, wait } = stalling()
  let cause: Error | null = new Error('BUSY')
  const write = (key: string) => async (): Promise<void> => {
    if (cause !== null)
      throw new FlotillaError('STORE_UNAVAILABLE', `writing ${key}: ${cause.message}`, { cause })
  }
  const writes = ['a', 'b', 'c'].map((key) => stalls.retry('the journal', write(key), again))
  await wait(1_500)
  assert.match(
    stalls.problems.join(),
    /^the journal can't be used, and 3 events wait for that: writing .: BUSY$/,
  )
  assert.deepEqual(logged, ['failed to use the journal; retrying'])
  cause = new Error('OOM')
  await wait(500)
  assert.match(stalls.problems.join(), /writing .: OOM$/)
  cause = null
  await wait(500)
  await Promise.all(writes)
  assert.equal(logged.length, 3)
})

test('causes that take turns are logged once each; a breaker that refuses meanwhile is none, and hides none', async () => {
  const { stalls, logged, again, wait } = stalling()
  let tries = 0
  let isAway = true
  const step = async (): Promise<void> => {
    if (!isAway) return
    const kind = tries++ % 3
    if (kind === 2) throw new FlotillaError('BREAKER_OPEN', `Calls are paused for ${tries} s.`)
    throw new Error(kind === 0 ? 'no answer to usage' : 'no answer to submitted')
  }
  const write = stalls.retry('the ledger', step, again)
  await wait(3_000)
  assert.equal(logged.length, 2)
  assert.match(stalls.problems.join(), /: no answer to (usage|submitted)$/)
  isAway = false
  await wait(200)
  await write
})

test('what no retry cures ends the attempts, first or later, and leaves no problem behind', async () => {
  const { stalls, logged, again, wait } = stalling()
  const final = new RangeError('never')
  await assert.rejects(
    stalls.retry('the ledger', () => Promise.reject(final), again),
    final,
  )
  assert.deepEqual(logged, [])
  let attempts = 0
  const step = () => Promise.reject(attempts++ < 20 ? new Error('away') : final)
  const ended = assert.rejects(stalls.retry('a store', step, again), final)
  await wait(1_500)
  assert.equal(stalls.problems.length, 1)
  await wait(1_500)
  await ended
  assert.deepEqual(stalls.problems, [])
})
