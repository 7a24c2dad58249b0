// The agents in a process of docs/migration.md, as they stand, asked of the scripted model. Run by `npm run test:migration`,
// not with the tier: it installs three agent frameworks from PyPI. What takes their place is in
// test/embedded/migration-example.test.ts.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FIRST_TASK } from '../../cli/actions/init.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { runTool } from '../infra/tool.ts'
import { pythonWith } from './sdist.ts'

const root = join(import.meta.dirname, '../..')
const examples = join(root, 'examples/migration')
const answer = 'Sending 3 kg to Norway costs 12.60 euros.'
let model: ScriptedModel

before(async () => {
  model = await startScriptedModel({
    script: ({ turn, observations, toolNames }) => {
      if (turn === 0)
        return { toolCalls: [{ name: 'shipping_cost', arguments: { country: 'Norway', kilos: 3 } }] }
      const text = observations.includes('12.6') ? answer : `The tool answered: ${observations}`
      // smolagents has a tool for the answer.
      return toolNames.includes('final_answer')
        ? { toolCalls: [{ name: 'final_answer', arguments: { answer: text } }] }
        : { text }
    },
  })
})
after(async () => model?.stop())

const packages = [
  'smolagents==1.26.0',
  'openai==3.57.0',
  'openai-agents==0.24.0',
  'langchain==1.5.2',
  'langchain-openai==1.7.4',
  'langgraph==1.2.24',
]

for (const name of ['smolagents', 'openai-agents', 'langgraph'])
  test(`before: ${name}`, { timeout: 900_000 }, async () => {
    const python = await pythonWith(packages)
    const env = {
      ...process.env,
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: 'none',
      OPENAI_MODEL: 'scripted',
    }
    const said = await runTool(python, [join(examples, name, 'before.py'), FIRST_TASK], { env })
    assert.ok(said.startsWith(answer), said)
  })
