// The programs of docs/migration.md, as they stand: agents in a process, and the fleet that takes their place. All are
// asked the same, of the same scripted model. Run by `npm run test:migration`, not with the tier: it installs three agent
// frameworks from PyPI.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FIRST_TASK } from '../../cli/init.ts'
import { startScriptedModel, type ScriptedModel } from '../../runtime/scripted-model/server.ts'
import { runTool } from '../infra/tool.ts'
import { startServices, type ServiceProcess } from '../support/service-process.ts'
import { pythonWith } from './sdist.ts'

const root = join(import.meta.dirname, '../..')
const examples = join(root, 'examples/migration')
const dataDir = mkdtempSync(join(tmpdir(), 'flotilla-migration-'))
const answer = 'Sending 3 kg to Norway costs 12.60 euros.'
let model: ScriptedModel
let fleet: ServiceProcess

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
  const config = join(examples, 'flotilla/flotilla.config.ts')
  fleet = await startServices([], {
    env: {
      FLOTILLA_CONFIG: config,
      FLOTILLA_DATA: dataDir,
      FLOTILLA_MODEL: '',
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: 'none',
      OPENAI_MODEL: 'scripted',
    },
  })
  await fleet.ready()
})
after(async () => {
  await fleet?.drain()
  await model?.stop()
  rmSync(dataDir, { recursive: true, force: true })
})

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

test('after: the fleet of all three, asked by a program without a package', async () => {
  const env = { ...process.env, FLOTILLA_URL: fleet.url }
  const said = await runTool('python3', [join(examples, 'flotilla/ask.py'), FIRST_TASK], { env })
  assert.ok(said.startsWith(answer), said)
})

test('the page shows the programs word for word', () => {
  const page = readFileSync(join(root, 'docs/migration.md'), 'utf8')
  const programs = [
    'smolagents/before.py',
    'openai-agents/before.py',
    'langgraph/before.py',
    'flotilla/ask.py',
  ]
    .map((file) => readFileSync(join(examples, file), 'utf8'))
    .join('\n')
  const shown = [...page.matchAll(/```python\n([^]*?)```/g)].map(([, text = '']) => text)
  assert.equal(shown.length, 4)
  for (const text of shown) assert.ok(programs.includes(text), text)
})
