import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import { formatWarnings } from '../../../runtime/config/json-schema/unknown-formats.ts'

test('a format that is not known is reported once, with its tool or agent, and nothing on the console', (t) => {
  const printed = t.mock.method(console, 'warn')
  const schema = {
    type: 'object',
    properties: {
      format: { type: 'string', format: 'datum' },
      due: { type: 'string', format: 'datum', default: { format: 'none' } },
      day: { type: 'string', format: 'date' },
    },
  }
  const run = () => 1
  const tools = [
    defineTool({ name: 'plan', description: 'Plans.', input: schema, run }),
    defineTool({
      name: 'mail',
      description: 'Mails.',
      input: z.object({ to: z.email(), at: z.iso.datetime() }),
      run,
    }),
  ]
  const agents = { a: { outputSchema: { items: [{ format: 'farbe' }] } } }
  const warnings = formatWarnings({ tools, agents })
  assert.equal(warnings.length, 2)
  assert.match(warnings[0] ?? '', /^the format "datum" in a schema of tool plan is not known/)
  assert.match(warnings[1] ?? '', /^the format "farbe" in a schema of agent a is not known/)
  assert.equal(printed.mock.callCount(), 0)
})
