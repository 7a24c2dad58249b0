// Turns at the interpreters, counted in turns: what a user waits for is other users' slots, never seconds.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { test } from 'node:test'
import { Turns, type Claim, type Turn } from '../../../../services/code-sandbox/executors/turns.ts'

const never = new AbortController().signal

/** Slots under test: who was granted one, in order, and what they hold. */
class Slots {
  readonly order: string[] = []
  readonly held = new Map<string, Turn>()
  readonly turns: Turns

  constructor(slots: number) {
    this.turns = new Turns(slots)
  }

  async ask(user: string, task: string, resumed = false): Promise<void> {
    const claim: Claim = { user, task, resumed }
    void this.turns.take(claim, never).then((turn) => {
      this.order.push(task)
      this.held.set(task, turn)
    })
    await setImmediate()
  }

  async end(task: string, killed = false): Promise<void> {
    this.held.get(task)?.done(killed)
    this.held.delete(task)
    await setImmediate()
  }
}

test('eight tasks that loop without end leave another user a slot at once', async () => {
  const slots = new Slots(4)
  for (let n = 0; n < 8; n++) await slots.ask('mallory', `m${n}`)
  assert.deepEqual(slots.order, ['m0', 'm1', 'm2'])
  for (let step = 0; step < 20; step++) {
    const before = slots.order.length
    await slots.ask('bob', `b${step}`, step % 2 === 1)
    assert.deepEqual(slots.order.slice(before), [`b${step}`], 'bob waits for nobody')
    await slots.end(`b${step}`)
    // One is killed at its limit, and queues again at once.
    const [killed = ''] = slots.held.keys()
    await slots.end(killed, true)
    await slots.ask('mallory', killed)
  }
})

test('eight users who loop without end leave another user a slot at once, as soon as they are known', async () => {
  const slots = new Slots(4)
  for (let n = 0; n < 8; n++) await slots.ask(`mallory-${n}`, `m${n}`)
  const killOldest = async () => {
    const [killed = ''] = slots.held.keys()
    await slots.end(killed, true)
    await slots.ask(`mallory-${killed.slice(1)}`, killed)
  }
  for (let n = 0; n < 8; n++) await killOldest()
  assert.equal(slots.held.size, 3, 'they share the others')
  for (let step = 0; step < 20; step++) {
    const before = slots.order.length
    await slots.ask('bob', `b${step}`, step % 2 === 1)
    assert.deepEqual(slots.order.slice(before), [`b${step}`], 'bob waits for nobody')
    await slots.end(`b${step}`)
    await killOldest()
  }
})

test('one user alone has all slots but one; where there are few, all of them', async () => {
  for (const [slots, granted] of [
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 3],
    [8, 7],
  ] as const) {
    const all = new Slots(slots)
    for (let n = 0; n < 10; n++) await all.ask('one', `t${n}`)
    assert.equal(all.order.length, granted, `${slots} slots`)
  }
})

test('users take turns, however much one of them wants', async () => {
  const slots = new Slots(1)
  for (let n = 0; n < 100; n++) await slots.ask('heavy', `h${n}`)
  await slots.ask('late', 'l0')
  await slots.ask('late', 'l1')
  await slots.ask('other', 'o0')
  for (const task of ['h0', 'l0', 'o0', 'h1', 'l1', 'h2']) {
    assert.equal(slots.order.at(-1), task)
    await slots.end(task)
  }
})

test('within a user: back from a tool, then new steps, then what was killed at its limit', async () => {
  const slots = new Slots(1)
  await slots.ask('u', 'loops')
  await slots.end('loops', true)
  await slots.ask('u', 'holds')
  await slots.ask('u', 'loops')
  await slots.ask('u', 'new')
  await slots.ask('u', 'back', true)
  for (const task of ['holds', 'back', 'new', 'loops']) {
    assert.equal(slots.order.at(-1), task)
    await slots.end(task)
  }
  // A step that ends by itself is forgiven.
  await slots.ask('u', 'holds')
  await slots.ask('u', 'loops', true)
  await slots.ask('u', 'new')
  await slots.end('holds')
  assert.equal(slots.order.at(-1), 'loops')
})

test('tasks of one user take turns with their calls', async () => {
  const slots = new Slots(1)
  await slots.ask('u', 'many')
  await slots.ask('u', 'few', true)
  await slots.end('many')
  await slots.ask('u', 'many', true)
  await slots.end('few')
  await slots.ask('u', 'few', true)
  await slots.end('many')
  assert.deepEqual(slots.order, ['many', 'few', 'many', 'few'])
})

test('who gives up waiting leaves the queue with the reason of its signal, and takes no slot', async () => {
  const turns = new Turns(1)
  const first = await turns.take({ user: 'a', task: 'a', resumed: false }, never)
  const stop = new AbortController()
  const second = turns.take({ user: 'b', task: 'b', resumed: false }, stop.signal)
  stop.abort(new Error('enough'))
  await assert.rejects(second, /enough/)
  assert.equal(turns.waiting, 0)
  first.done(false)
  const third = await turns.take({ user: 'c', task: 'c', resumed: false }, never)
  third.done(false)
})
