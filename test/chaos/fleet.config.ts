// The fleet of the kill test: that of other tests, with tools that wait for people and agents that ask each other.
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import type { ApprovalDefinition } from '../../runtime/config/approvals.ts'
import { askPerson } from '../../services/tool-executor/tools/index.ts'
import fleet from '../support/fleet.config.ts'
import { ANSWER, EXPIRES_MS } from './kinds/approvals.ts'
import { TREE_PRICE } from './kinds/trees.ts'

const toolServer = process.env['TOOL_SERVER_URL'] ?? 'http://127.0.0.1:9'
const input = z.object({ task: z.string(), turn: z.int().default(1), item: z.int().default(0) })
const output = z.looseObject({ item: z.int() })

/** Made once, as approved; whether it was made, the tool server knows by the key of the call. */
const approved = (name: string, requiresApproval: true | ApprovalDefinition<z.infer<typeof input>>) =>
  defineTool({
    name,
    description: `Waits for a person: ${name}.`,
    input,
    output,
    requiresApproval,
    run: async (given, { idempotencyKey, signal }) => {
      const headers = { 'content-type': 'application/json', 'idempotency-key': idempotencyKey }
      const init = { method: 'POST', headers, body: JSON.stringify(given), signal }
      return output.parse(await (await fetch(`${toolServer}/${name}`, init)).json())
    },
    reconcile: async (_, { idempotencyKey }) => {
      const made = await fetch(`${toolServer}/made/${encodeURIComponent(idempotencyKey)}`)
      return made.status === 404
        ? { tookEffect: false }
        : { tookEffect: true, output: output.parse(await made.json()) }
    },
  })

/** Trees take their time on a busy machine: their tasks have what the root has left. */
const patient = {
  models: ['scripted/conversations'],
  temperature: 0,
  maxSteps: 5,
  timeoutMs: 600_000,
  executor: 'default',
}

export default defineFleet({
  ...fleet,
  tools: [
    ...(fleet.tools ?? []),
    approved('refund', true),
    approved('payout', { needed: 2, approvers: { users: ['ann', 'bo'] } }),
    approved('fleeting', { expiresMs: EXPIRES_MS }),
    askPerson({ answer: z.enum([ANSWER, 'red']) }),
  ],
  agents: {
    ...fleet.agents,
    lead: { profile: 'patient', mode: 'tools', tools: [], delegates: ['branch', 'scribe'] },
    branch: { profile: 'patient', mode: 'tools', tools: [], delegates: ['twig'] },
    scribe: { profile: 'patient', mode: 'code', tools: [], delegates: ['twig'] },
    twig: { profile: 'patient', mode: 'tools', tools: [], delegates: ['leaf'] },
    leaf: { profile: 'patient', mode: 'tools', tools: ['charge'] },
  },
  models: { profiles: { patient }, prices: [{ model: 'scripted/', input: TREE_PRICE, output: TREE_PRICE }] },
})
