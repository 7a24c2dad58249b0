// Agents that ask one whose tool needs a person; each payment that is made is a line of a file.
import { appendFileSync } from 'node:fs'
import { z } from 'zod'
import { defineFleet, defineTool } from '../../runtime/config/define.ts'

const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ to: z.string() }),
  requiresApproval: { approvers: { users: ['ann'] } },
  run: ({ to }) => {
    appendFileSync(process.env['PAYMENTS'] as string, `${to}\n`)
    return `paid ${to}`
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
  tools: [pay],
  agents: {
    lead: { mode: 'tools', tools: [], delegates: ['clerk'] },
    coder: { mode: 'code', tools: [], delegates: ['clerk'] },
    clerk: { mode: 'tools', tools: ['pay'] },
  },
  defaultAgent: 'lead',
  models: { profiles: { only: profile } },
})
