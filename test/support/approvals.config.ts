// A fleet whose calls wait for people; each refund that is made is a line of a file.
import { appendFileSync } from 'node:fs'
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'
import { askPerson } from '../../services/tool-executor/tools/index.ts'

const refund = defineTool({
  name: 'refund',
  description: 'Pays money back.',
  input: z.object({ amount: z.number() }),
  requiresApproval: { when: ({ amount }) => amount > 100, approvers: { users: ['ann', 'bo'] } },
  run: ({ amount }) => {
    appendFileSync(process.env['REFUNDS'] as string, `${amount}\n`)
    return { refunded: amount }
  },
})

const profile = {
  models: ['scripted/any'],
  temperature: 0,
  maxSteps: 4,
  timeoutMs: 240_000,
  executor: 'wasm',
}

export default defineFleet({
  tools: [refund, askPerson({ answer: z.enum(['red', 'blue']) })],
  agents: { code: { mode: 'code' }, tools: { mode: 'tools' } },
  defaultAgent: 'code',
  models: { profiles: { only: profile } },
})
