// Conversations of OpenAI's API on sessions, through OpenAI's package and by hand.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import OpenAI, { type APIError } from 'openai'
import type { CreatedKey, NewKey } from '../../api/keys.ts'
import { conversation as conversationSchema, conversationItem } from '../../api/openai/conversations.ts'
import { roles } from '../../api/scopes.ts'
import { httpOperator } from '../../operator/http.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { startTestFleet, type TestFleet } from '../support/fleet.ts'

const ADMIN = 'an admin key of this test'.replaceAll(' ', '-').padEnd(40, 'x')
const model = 'flotilla/default'

/** Says what it was told before, so that a test sees what is remembered. */
const script: Script = ({ task, observations }) => ({
  text: [task, observations].filter(Boolean).join(' | '),
})

let fleet: TestFleet
let ann: OpenAI
let bo: OpenAI
let backend: OpenAI
before(async () => {
  const agents = { default: { mode: 'tools' as const, overrides: { instructions: true } } }
  fleet = await startTestFleet({
    ...{ http: true, env: { FLOTILLA_ADMIN_KEY: ADMIN } },
    ...{ definition: { agents }, model: { script } },
  })
  ann = await clientOf({ name: 'ann', userId: 'ann', scopes: [...roles.user] })
  bo = await clientOf({ name: 'bo', userId: 'bo', scopes: [...roles.user] })
  backend = await clientOf({ name: 'backend', scopes: [...roles.service] })
})
after(() => fleet.stop())

async function clientOf(key: NewKey): Promise<OpenAI> {
  const { url } = fleet.process
  const response = await fetch(`${url}/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
    body: JSON.stringify(key),
  })
  const created = (await response.json()) as CreatedKey
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: created.key, maxRetries: 0 })
}

const status = (wanted: number) => (error: APIError) => {
  assert.equal(error.status, wanted, error.message)
  return true
}
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

/** The items, once as many turns are in the ledger. */
const itemsOf = (client: OpenAI, id: string, turns: number) =>
  eventually('the ledger has the turns', async () => {
    // A session of any origin is a conversation once its first turn is there.
    const found = await client.conversations.items.list(id, { order: 'asc' }).catch((error: APIError) => {
      if (error.status !== 404) throw error
    })
    return found?.data.length === 2 * turns ? found.data : undefined
  })
const textsOf = (items: readonly unknown[]) =>
  (items as { role: string; content: { text: string }[] }[]).map(
    ({ role, content }) => `${role}: ${content[0]?.text}`,
  )

test('a conversation remembers: created, continued, listed, changed and deleted', async () => {
  const created = await ann.conversations.create({ metadata: { topic: 'orders' } })
  conversationSchema.strict().parse(plain(created))
  assert.deepEqual(plain(await ann.conversations.retrieve(created.id)), plain(created))
  const none = await ann.conversations.items.list(created.id)
  assert.deepEqual(none.data, [])

  const first = await ann.responses.create({ model, input: 'one', conversation: created.id })
  assert.deepEqual([first.output_text, first.conversation?.id], ['one', created.id])
  const second = await ann.responses.create({
    ...{ model, input: 'two', instructions: 'Be brief.' },
    conversation: { id: created.id },
  })
  assert.equal(second.output_text, 'one | two', 'instructions part with nothing of it')
  const retrieved = await ann.responses.retrieve(second.id)
  assert.deepEqual([retrieved.conversation?.id, retrieved.instructions], [created.id, 'Be brief.'])

  const items = await itemsOf(ann, created.id, 2)
  for (const item of items) conversationItem.parse(plain(item))
  assert.deepEqual(textsOf(items), ['user: one', 'assistant: one', 'user: two', 'assistant: one | two'])
  assert.equal(items[1]?.id, (first.output[0] as { id: string }).id, 'the id that the response gave it')
  assert.deepEqual(
    plain(await ann.conversations.items.retrieve(items[2]?.id ?? '', { conversation_id: created.id })),
    plain(items[2]),
  )
  const paged: unknown[] = []
  for await (const item of ann.conversations.items.list(created.id, { limit: 1 })) paged.push(item)
  assert.deepEqual(plain(paged), plain(items.toReversed()), 'the newest first, one by one')

  const changed = await ann.conversations.update(created.id, { metadata: { topic: 'returns' } })
  assert.deepEqual([changed.metadata, changed.created_at], [{ topic: 'returns' }, created.created_at])

  assert.equal((await ann.conversations.delete(created.id)).deleted, true)
  await assert.rejects(ann.conversations.retrieve(created.id), status(404))
  await assert.rejects(ann.responses.create({ model, input: 'x', conversation: created.id }), status(404))
  await eventually('the session is gone', async () => {
    const { sessions } = await httpOperator(fleet.process.url ?? '', { apiKey: ADMIN }).sessions.list()
    return sessions.every(({ sessionId }) => `conv_${sessionId}` !== created.id)
  })
})

test('another user’s conversation does not exist, before its first response and after', async () => {
  const { id } = await ann.conversations.create()
  const attempts = async () => {
    for (const attempt of [
      () => bo.conversations.retrieve(id),
      () => bo.conversations.update(id, { metadata: {} }),
      () => bo.conversations.delete(id),
      () => bo.conversations.items.list(id),
      () => bo.responses.create({ model, input: 'x', conversation: id }),
    ])
      await assert.rejects(attempt, status(404))
  }
  await attempts()
  await ann.responses.create({ model, input: 'mine', conversation: id })
  await itemsOf(ann, id, 1)
  await attempts()
  assert.deepEqual(textsOf(await itemsOf(ann, id, 1)), ['user: mine', 'assistant: mine'])
})

test('a client that acts for several users continues a conversation as its user, and as no other', async () => {
  const session = { sessionId: 'orders 42/ä', userId: 'cy' }
  const { taskId } = await fleet.client.submit({ ...session, text: 'by hand' })
  await fleet.client.result(taskId, { timeoutMs: 120_000 })
  const id = `conv_${session.sessionId}`
  await itemsOf(backend, id, 1)
  const next = await backend.responses.create({ model, input: 'next', conversation: id })
  assert.equal(next.output_text, 'by hand | next')
  await assert.rejects(
    backend.responses.create({ model, input: 'next', conversation: id, user: 'dee' }),
    status(403),
  )
})

test('what can’t be taken is refused, with the parameter', async () => {
  const { id } = await ann.conversations.create()
  const first = await ann.responses.create({ model, input: 'one', conversation: id })
  const user = { role: 'user' as const, content: 'x' }
  const refusals: [string, () => Promise<unknown>][] = [
    ['items', () => ann.conversations.create({ items: [{ type: 'message', ...user }] })],
    ['metadata', () => ann.conversations.create({ metadata: { 'openai.x': 'y' } })],
    [
      'conversation',
      () => ann.responses.create({ model, input: 'x', conversation: id, previous_response_id: first.id }),
    ],
    [
      'previous_response_id',
      () => ann.responses.create({ model, input: 'x', previous_response_id: first.id }),
    ],
    [
      'input',
      () =>
        ann.responses.create({
          model,
          conversation: id,
          input: [user, { role: 'assistant', content: 'y' }, user],
        }),
    ],
    ['after', () => ann.conversations.items.list(id, { after: 'msg_none' })],
  ]
  for (const [param, attempt] of refusals)
    await assert.rejects(attempt, (error: APIError) => {
      assert.deepEqual([error.status, error.param?.split('.')[0]], [400, param], error.message)
      return true
    })
  for (const other of ['conv_none', 'conv_', 'none', `conv_${'x'.repeat(90)}`])
    await assert.rejects(ann.conversations.retrieve(other), status(404), other)
})
