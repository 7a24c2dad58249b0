// A call that waits several times: a decision is about one wait.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { HttpClient } from '../../client/index.ts'
import { httpOperator } from '../../operator/http.ts'
import { defineTool } from '../../runtime/config/define.ts'
import type { Script } from '../../runtime/scripted-model/script.ts'
import { eventually } from '../conformance/waiting.ts'
import { flotilla } from '../support/command.ts'
import { startTestFleet } from '../support/fleet.ts'

const script: Script = ({ turn, observations }) =>
  turn === 0 ? { toolCalls: [{ name: 'charge', arguments: { amount: 5 } }] } : { text: observations }

const directory = mkdtempSync(join(tmpdir(), 'flotilla-waits-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const edit = join(directory, 'edit.json')
writeFileSync(edit, '{"to":"Ann"}')

test('a call in doubt that is in doubt again: what was decided before makes no third charge', async () => {
  let charges = 0
  const charge = defineTool({
    name: 'charge',
    description: 'Charges a card.',
    input: z.object({ amount: z.number() }),
    timeoutMs: 200,
    inDoubt: 'hold',
    requiresApproval: true,
    run: () => {
      charges++
      return new Promise(() => {})
    },
  })
  await using fleet = await startTestFleet({ http: true, definition: { tools: [charge] }, model: { script } })
  const url = fleet.process.url ?? ''
  const { approvals } = httpOperator(url)
  const http = new HttpClient(url)
  const { taskId } = await http.submit({ text: 'charge it' })
  const waits = new Set<number>()
  const next = () =>
    eventually('the call waits once more', async () => {
      const [call] = await approvals.list({ task: taskId })
      return call && !waits.has(call.heldAtMs) && waits.add(call.heldAtMs) ? call : undefined
    })
  const first = await next()
  const { callId } = first
  const approve = (...args: string[]) =>
    flotilla(['approvals', 'approve', taskId, '--by', 'ann', ...args], { env: { FLOTILLA_URL: url } })
  const unfit = await approve('--edit', edit)
  assert.deepEqual([unfit.code, unfit.out], [64, ''], unfit.err)
  assert.match(
    unfit.err,
    /does not count, and call \S+ still waits: the edited arguments do not fit: .*'amount'/,
  )
  const odd = await approve('--answer', 'yes')
  assert.deepEqual([odd.code, odd.out], [64, ''], odd.err)
  assert.match(odd.err, /waits for an approval, which takes no --answer/)
  const large = { taskId, callId, approved: true, arguments: { amount: 5, note: 'x'.repeat(600_000) } }
  for (const client of [http, fleet.client])
    await assert.rejects(client.approve(large), { code: 'RECORD_TOO_LARGE', message: /at most 524288/ })
  const approved = await approve()
  assert.equal(approved.code, 0, approved.err)
  const doubt = await next()
  assert.deepEqual([doubt.why, charges], ['doubt', 1])
  await eventually('a call that waits in doubt is among those in doubt', async () => {
    const { tasks } = (await (await fetch(`${url}/v1/tasks?doubt=true`)).json()) as {
      tasks: { taskId: string }[]
    }
    return tasks.some((task) => task.taskId === taskId)
  })
  const again = { taskId, callId, approved: true, tookEffect: false }
  await http.approve({ ...again, heldAtMs: doubt.heldAtMs, decidedBy: 'ann' })
  const second = await next()
  assert.deepEqual([second.why, charges], ['doubt', 2])
  for (const late of [{ heldAtMs: doubt.heldAtMs }, {}, { heldAtMs: first.heldAtMs }]) {
    const decision = { ...again, ...late, decidedBy: 'ann' }
    await assert.rejects(http.approve(decision), { code: 'CALL_NOT_WAITING' })
    // A record on the log is never answered; the stage ignores it.
    await fleet.client.approve(decision)
  }
  const { events } = await eventually('they are written down', async () => {
    const task = await httpOperator(url).tasks.get(taskId)
    const ignored = task.events.filter(({ detail }) => /not counted/.test(JSON.stringify(detail)))
    return ignored.length === 3 ? { events: ignored } : undefined
  })
  assert.match(JSON.stringify(events), /another wait of this call.*has waited before/s)
  const settled = { ...again, tookEffect: true, answer: 'charged', heldAtMs: second.heldAtMs }
  await http.approve({ ...settled, decidedBy: 'ann' })
  const result = await http.result(taskId, { timeoutMs: 120_000 })
  assert.match(String(result.output), /charged/)
  assert.equal(charges, 2)
  http.close()
})
