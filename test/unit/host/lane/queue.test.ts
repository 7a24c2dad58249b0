import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyQueue, type Queued } from '../../../../runtime/host/lane/queue.ts'
import { Random } from '../../../../runtime/testing/simulator/random.ts'

interface Item extends Queued {
  readonly name: string
}

function queue() {
  const running: Item[] = []
  const started: string[] = []
  const made = new KeyQueue<Item>((item) => {
    running.push(item)
    started.push(item.name)
  })
  const push = (name: string, key: string) => made.push({ key, name })
  const finish = (name: string) => {
    const index = running.findIndex((item) => item.name === name)
    assert.notEqual(index, -1, `${name} is not running`)
    made.done(running.splice(index, 1)[0] as Item)
  }
  return { queue: made, running, started, push, finish }
}

test('one key: one at a time, in order; other keys beside it', () => {
  const { push, finish, started } = queue()
  push('a1', 'a')
  push('a2', 'a')
  push('b1', 'b')
  assert.deepEqual(started, ['a1', 'b1'])
  finish('a1')
  assert.deepEqual(started, ['a1', 'b1', 'a2'])
})

test('parts of a key run side by side; the key itself waits for them, and they for it', () => {
  const { push, finish, started } = queue()
  push('p1', 'task/1')
  push('p2', 'task/2')
  push('root', 'task')
  push('p3', 'task/3')
  assert.deepEqual(started, ['p1', 'p2'])
  finish('p1')
  assert.deepEqual(started, ['p1', 'p2'], 'the root waits for every part before it')
  finish('p2')
  assert.deepEqual(started, ['p1', 'p2', 'root'], 'a part that came after the root waits for it')
  finish('root')
  assert.deepEqual(started.at(-1), 'p3')
})

test('a key that only begins like another is no part of it', () => {
  const { push, started } = queue()
  push('a', 'task')
  push('b', 'task2')
  push('c', 'task2/task')
  assert.deepEqual(started, ['a', 'b'])
})

test('`of` names the items of a key and its parts, waiting or running', () => {
  const { queue: made, push } = queue()
  push('root', 'task')
  push('p1', 'task/1')
  push('p2', 'task/2')
  push('other', 'other')
  assert.deepEqual(
    [...made.of('task')].map(({ name }) => name),
    ['root', 'p1', 'p2'],
  )
  assert.deepEqual(
    [...made.of('task/1')].map(({ name }) => name),
    ['p1'],
  )
  assert.deepEqual([...made.of('nobody')], [])
})

test('dropping what waits leaves what runs', () => {
  const { queue: made, push, finish, started } = queue()
  push('a1', 'a')
  push('a2', 'a')
  push('a3', 'a')
  made.dropWaiting()
  assert.equal(made.size, 1)
  finish('a1')
  assert.equal(made.size, 0)
  assert.deepEqual(started, ['a1'])
  push('a4', 'a')
  assert.deepEqual(started, ['a1', 'a4'], 'the key is usable again')
})

const related = (a: string, b: string) => a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`)

test('random runs: related items never overlap and start in order of arrival; nothing is left over', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = new Random(seed)
    const { queue: made, push, finish, running, started } = queue()
    const keyOf = new Map<string, string>()
    for (let index = 0; index < 60; index++) {
      const key = random.pick(['a', 'a/1', 'a/2', 'b', 'b/1', 'ab'])
      keyOf.set(String(index), key)
      push(String(index), key)
      for (const [at, one] of running.entries())
        for (const other of running.slice(at + 1))
          assert.ok(!related(one.key, other.key), `seed ${seed}: ${one.key} beside ${other.key}`)
      if (running.length > 0 && random.chance(0.6)) finish(random.pick(running).name)
    }
    while (running.length > 0) finish(random.pick(running).name)
    assert.equal(started.length, 60, `seed ${seed}`)
    assert.equal(made.size, 0)
    for (const [at, name] of started.entries())
      for (const later of started.slice(at + 1))
        if (related(keyOf.get(name) as string, keyOf.get(later) as string))
          assert.ok(Number(name) < Number(later), `seed ${seed}: ${later} after ${name}`)
  }
})
