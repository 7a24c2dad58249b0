// Troubles of a fleet, as its stages would have written them: dead letters, and a breaker that is open.
import { homeOf } from '../../runtime/log/home.ts'
import type { DeadLettered } from '../../schemas/generated/events.ts'
import { headers as names } from '../../schemas/topics.ts'
import type { TestFleet } from './fleet.ts'

/** Letters about a submission that can be replayed, one that nobody can decode, and one whose stage alone writes it. */
export async function deadLetters(fleet: TestFleet): Promise<void> {
  const { codec } = fleet.process
  const letter = (change: Partial<DeadLettered>): DeadLettered => ({
    sourceTopic: 'tasks.submitted',
    partition: homeOf('buried', fleet.process.log.partitions),
    offset: 4_711,
    key: 'buried',
    value: Buffer.from(JSON.stringify({ taskId: 'buried', text: 'Where is order 4711?' })),
    headers: { 'x-sender': 'crm-7' },
    stage: 'router',
    code: 'UNDECODABLE_RECORD',
    message: 'the registry does not know schema 4711',
    attempts: 1,
    failedAtMs: Date.now() - 5_000,
    valueBlob: null,
    valueBytes: null,
    originBlob: null,
    ...change,
  })
  const letters = [
    letter({}),
    letter({
      offset: 12,
      key: null,
      value: Buffer.from([0xff, 0x00, 0x01]),
      message: 'bytes of "><img src=x onerror=alert(1)>\u202e are no event',
    }),
    letter({ offset: 13, key: 'other', value: Buffer.from('{"text":'), message: 'JSON ends in the middle' }),
    letter({
      sourceTopic: 'tools.completed',
      stage: 'planner',
      code: 'HANDLER_FAILED',
      message: 'planner failed three times: row 7 is missing',
    }),
  ]
  for (const data of letters) {
    const value = codec.encode('DeadLettered', data, 'dead-letters')
    await put(fleet, 'dead-letters', 'DeadLettered', value)
  }
}

export async function openBreaker(fleet: TestFleet): Promise<void> {
  const data = {
    breaker: 'model:openai',
    stage: 'planner',
    instance: 'host-a.1234',
    from: 'closed',
    to: 'open',
    reason: 'openai answered 529: overloaded',
    atMs: Date.now(),
  } as const
  await put(
    fleet,
    'ops.health',
    'BreakerChanged',
    fleet.process.codec.encode('BreakerChanged', data, 'ops.health'),
  )
}

async function put(
  { process: { log } }: TestFleet,
  topic: 'dead-letters' | 'ops.health',
  schema: string,
  value: Uint8Array,
): Promise<void> {
  await log.publish([{ topic, partition: 0, key: 'troubles', value, headers: { [names.schema]: schema } }])
}
