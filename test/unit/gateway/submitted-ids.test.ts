// Two gateways share a store and a ledger. Invariants: services/gateway/submitted-ids.ts.
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { FlotillaError } from '../../../runtime/errors.ts'
import { askedOf } from '../../../runtime/ledger/asked.ts'
import type { RecordedText } from '../../../runtime/ledger/tasks.ts'
import type { KeyValue } from '../../../runtime/store/port.ts'
import { memoryKeyValue } from '../../../runtime/testing/memory/store.ts'
import { SubmittedIds } from '../../../services/gateway/submitted-ids.ts'

const task = { taskId: 'one', text: 'hello' }
const other = { taskId: 'one', text: 'other' }

let store: KeyValue
let ledger: Map<string, RecordedText>
let published: string[]
/** What happens when the log is asked: by default it has what was published. */
let isOnLog: () => Promise<boolean>
let warnings: unknown[]
let nowMs: number

const gateway = (changes: Partial<ConstructorParameters<typeof SubmittedIds>[0]> = {}): SubmittedIds =>
  new SubmittedIds({
    store,
    tasks: { recordedText: async (taskId) => ledger.get(taskId) ?? null },
    isOnLog: () => isOnLog(),
    log: { warn: (fields: unknown) => warnings.push(fields) },
    ...changes,
  })

const ended = (text: string): RecordedText => ({ hash: askedOf(text).text_hash, isEnded: true })

const publish = (text: string) => async () => {
  published.push(text)
  return { taskId: 'one' }
}

beforeEach(() => {
  nowMs = 1
  store = memoryKeyValue({ clock: { now: () => nowMs, schedule: () => () => {} } })
  ledger = new Map()
  published = []
  isOnLog = async () => published.length > 0
  warnings = []
})

test('before metering has read it, every gateway knows the id: repeated, or refused for another text', async () => {
  assert.deepEqual(await gateway().submit(task, publish('hello')), { taskId: 'one', isRepeated: false })
  assert.deepEqual(await gateway().submit(task, publish('again')), { taskId: 'one', isRepeated: true })
  await assert.rejects(gateway().submit(other, publish('other')), { code: 'TASK_ID_REUSED' })
  assert.deepEqual(published, ['hello'])
})

test('of two texts at the same time one is refused', async () => {
  const both = await Promise.allSettled([
    gateway().submit(task, publish('hello')),
    gateway().submit(other, publish('other')),
  ])
  assert.deepEqual(both.map(({ status }) => status).toSorted(), ['fulfilled', 'rejected'])
  assert.equal(published.length, 1)
})

test('what the ledger has ended is known however it was submitted, takes no claim, and is not published', async () => {
  ledger.set('one', ended('hello'))
  assert.equal((await gateway().submit(task, publish('again'))).isRepeated, true)
  await assert.rejects(gateway().submit(other, publish('other')), { code: 'TASK_ID_REUSED' })
  assert.equal(await store.get('submitted-id:one'), null)
  assert.deepEqual(published, [])
})

test('what the log has lost, or does not answer for, is published again', async () => {
  ledger.set('one', { ...ended('hello'), isEnded: false })
  isOnLog = async () => false
  assert.equal((await gateway().submit(task, publish('again'))).isRepeated, true)
  await assert.rejects(gateway().submit(other, publish('other')), { code: 'TASK_ID_REUSED' })
  const fails = () => Promise.reject(new FlotillaError('LOG_UNAVAILABLE', 'away'))
  await assert.rejects(gateway().submit(task, fails), { code: 'LOG_UNAVAILABLE' })
  assert.equal(await store.get('submitted-id:one'), null)
  isOnLog = () => Promise.reject(new FlotillaError('SEARCH_UNFINISHED', 'far back'))
  assert.equal((await gateway().submit(task, publish('third'))).isRepeated, true)
  // Metering has not read it yet: the store alone knows it.
  ledger.clear()
  isOnLog = async () => false
  assert.equal((await gateway().submit({ ...task, taskId: 'two' }, publish('first'))).isRepeated, false)
  assert.equal((await gateway().submit({ ...task, taskId: 'two' }, publish('second'))).isRepeated, true)
  assert.deepEqual(published, ['again', 'third', 'first', 'second'])
})

test('a gateway that died before it published leaves a claim: the same text is published', async () => {
  const dies = () => new Promise<never>(() => {})
  void gateway().submit(task, dies)
  assert.equal((await gateway().submit(task, publish('hello'))).isRepeated, false)
  assert.deepEqual(published, ['hello'])
})

test('a claim without a submission ends by itself', async () => {
  void gateway().submit(task, () => new Promise<never>(() => {}))
  await assert.rejects(gateway().submit(other, publish('other')), { code: 'TASK_ID_REUSED' })
  nowMs += 60_000
  assert.equal((await gateway().submit(other, publish('other'))).isRepeated, false)
})

test('a refused task gives its id back; one that the log may have keeps it', async () => {
  const fails = (code: 'TASK_INVALID' | 'LOG_UNAVAILABLE') => () =>
    Promise.reject(new FlotillaError(code, 'refused'))
  await assert.rejects(gateway().submit(task, fails('TASK_INVALID')), { code: 'TASK_INVALID' })
  assert.equal((await gateway().submit(other, publish('other'))).isRepeated, false)
  const uncertain = { taskId: 'two', text: 'hello' }
  await assert.rejects(gateway().submit(uncertain, fails('LOG_UNAVAILABLE')), { code: 'LOG_UNAVAILABLE' })
  await assert.rejects(gateway().submit({ ...uncertain, text: 'other' }, publish('x')), {
    code: 'TASK_ID_REUSED',
  })
  assert.equal((await gateway().submit(uncertain, publish('hello'))).isRepeated, false)
})

test('without the store the ledger decides, and without both the router; one warning', async () => {
  const away = () => Promise.reject(new Error('away'))
  const broken = { compareAndSet: away, set: away, delete: away }
  const lone = gateway({ store: broken })
  assert.equal((await lone.submit(task, publish('hello'))).isRepeated, false)
  ledger.set('one', ended('hello'))
  assert.equal((await lone.submit(task, publish('again'))).isRepeated, true)
  const alone = gateway({ store: broken, tasks: { recordedText: away } })
  assert.equal((await alone.submit(task, publish('third'))).isRepeated, false)
  assert.deepEqual(published, ['hello', 'third'])
  assert.equal(warnings.length, 2)
})

test('a task without an id of its own asks neither', async () => {
  const forbidden = () => assert.fail('asked')
  const lone = gateway({
    store: { compareAndSet: forbidden, set: forbidden, delete: forbidden },
    tasks: { recordedText: forbidden },
  })
  assert.equal((await lone.submit({ text: 'hello' }, publish('hello'))).isRepeated, false)
  assert.equal((await lone.submit({ taskId: 'a b', text: 'hello' }, publish('hello'))).isRepeated, false)
})
