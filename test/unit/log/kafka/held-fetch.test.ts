// Fetches that a broker holds for long: what breaks one off.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Broker } from '../../../../runtime/log/kafka/connection/client.ts'
import { Fetcher } from '../../../../runtime/log/kafka/fetch/fetcher.ts'
import type { Link } from '../../../../runtime/log/kafka/connection/link.ts'
import { eventually } from '../../../conformance/waiting.ts'
import { fetchingBroker, linkTo } from './fetching-broker.ts'

const WAIT_MS = 2

const fetcherOf = (link: () => Link, report: (text: string) => void = () => {}): Fetcher =>
  new Fetcher({ links: { busy: link(), calm: link() }, maxWaitMs: WAIT_MS, report })

/** A broker with nothing, which holds a fetch until its time is over or its connection is closed. */
function holdingBroker() {
  const asked: { waitMs: number; named: readonly string[] }[] = []
  const held: ((error: Error) => void)[] = []
  const { broker } = fetchingBroker(({ maxWaitMs, named }) => {
    asked.push({ waitMs: maxWaitMs / WAIT_MS, named })
    return { sessionId: 1 }
  })
  const { send } = broker.connectionPool
  const holding: Broker['connectionPool'] = {
    send: async (exchange) => {
      const answer = await send(exchange)
      if (asked.at(-1)?.waitMs !== LONG) return answer
      return new Promise((_, reject) => void held.push(reject))
    },
    pool: [{}, { socket: { destroy: (error) => held.pop()?.(error) } }],
  }
  return { broker: { ...broker, connectionPool: holding }, asked, held }
}

const LONG = 50
const idle = { partition: 0, offset: 0, wanted: () => true, deliver: () => {} }

test('a long fetch is broken off for a cursor that is added or wanted again, and by the end', async () => {
  const { broker, asked, held } = holdingBroker()
  const reports: string[] = []
  const report = (text: string) => void reports.push(text)
  const fetcher = fetcherOf(() => linkTo(() => broker), report)
  const isHeld = () => eventually('a fetch is held', () => held.length === 1)
  let isWanted = false
  fetcher.add({ ...idle, topic: 'tasks' })
  fetcher.add({ ...idle, topic: 'paused', wanted: () => isWanted })
  await isHeld()
  assert.deepEqual(
    asked.map(({ waitMs }) => waitMs),
    [...Array<number>(20).fill(1), ...Array<number>(20).fill(5), LONG],
  )
  fetcher.wake()
  assert.equal(held.length, 1, 'nothing waits')

  fetcher.add({ ...idle, topic: 'other' })
  await eventually('the new one is fetched', () => asked.length > 41)
  assert.deepEqual(asked[41], { waitMs: 1, named: ['tasks[0]@0', 'other[0]@0'] })

  await isHeld()
  isWanted = true
  const before = asked.length
  fetcher.wake()
  await eventually('the one that is wanted again is fetched', () => asked.length > before)
  assert.deepEqual(asked[before], { waitMs: 1, named: ['tasks[0]@0', 'paused[0]@0', 'other[0]@0'] })

  await isHeld()
  await fetcher.close()
  assert.deepEqual(reports, [])
})

test('a partition that moves to a broker which holds a fetch for long is fetched from there at once', async () => {
  const { broker: holding, asked, held } = holdingBroker()
  let leader = '1'
  const gone = Object.assign(new Error('it is gone'), { name: 'KafkaJSConnectionError' })
  const former = fetchingBroker(() => (leader === '1' ? { sessionId: 7 } : gone))
  const brokerOf = (nodeId: string) => (nodeId === '1' ? former.broker : holding)
  const fetcher = fetcherOf(() => linkTo(brokerOf, (topic) => (topic === 'moves' ? leader : '2')))
  fetcher.add({ ...idle, topic: 'stays' })
  fetcher.add({ ...idle, topic: 'moves' })
  await eventually('a fetch is held', () => held.length === 1)
  const before = asked.length
  leader = '2'
  const isAsked = ({ waitMs, named }: (typeof asked)[number]) => waitMs > 0 && named.includes('moves[0]@0')
  await eventually('it is asked for in the session', () => asked.slice(before).some(isAsked))
  await fetcher.close()
})
