// A fleet whose agents ask each other, three levels deep, in both modes; the last one has effects outside.
import { z } from 'zod'
import { defineFleet } from '../../runtime/config/define.ts'
import { httpTool } from '../../services/tool-executor/tools/index.ts'

const url = process.env['TOOL_SERVER_URL'] ?? 'http://127.0.0.1:9'
const input = z.object({ task: z.string(), turn: z.int().default(1), item: z.int().default(0) })

/** Starts of a killed fleet take their time. */
const patient = {
  models: ['scripted/conversations'],
  temperature: 0,
  maxSteps: 5,
  timeoutMs: 600_000,
  executor: 'default',
}

export default defineFleet({
  tools: [
    httpTool({ name: 'charge', description: 'Charges once.', input, url: `${url}/charge` }),
    httpTool({
      name: 'linger',
      description: 'Takes longer than anybody waits.',
      input,
      url: `${url}/linger`,
      idempotent: true,
      timeoutMs: 120_000,
    }),
  ],
  defaultAgent: 'lead',
  agents: {
    lead: { profile: 'patient', mode: 'tools', tools: [], delegates: ['branch'] },
    branch: { profile: 'patient', mode: 'code', tools: [], delegates: ['worker'] },
    worker: { profile: 'patient', mode: 'tools', tools: ['charge', 'linger'] },
  },
  models: { profiles: { patient }, prices: [{ model: 'scripted/', input: 10, output: 10 }] },
})
