// A fleet whose agents are the tools that the conformance suite of MCP asks for, as far as an agent can be one.
//
// Each agent has one tool, of its own name: by it the scripted model knows whose turn it is.
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import { defineTool } from '../../../runtime/config/define.ts'
import type { AgentDefinition, JsonSchema, Tool } from '../../../runtime/config/fleet.ts'
import type { Turn } from '../../../runtime/scripted-model/conversations.ts'
import type { Script } from '../../../runtime/scripted-model/script.ts'
import { askPerson } from '../../../services/tool-executor/tools/ask-person.ts'
import { startTestFleet, type TestFleet } from '../../support/fleet.ts'

interface Fixture {
  readonly input?: JsonSchema
  readonly tasks?: 'never' | 'always'
  readonly profile?: string
  readonly requiresApproval?: true
  /** Schemas of the answers that it asks a person for, one after another. */
  readonly asks?: readonly JsonSchema[]
  /** What the model answers, by its arguments and its turn. */
  readonly turns: (given: Record<string, unknown>, turn: number) => Turn
}

const says = (text: string) => (): Turn => ({ text })
const calls = (name: string, count = 1, given: Record<string, string> = {}): Turn => ({
  toolCalls: Array.from({ length: count }, () => ({ name, arguments: given })),
})
/** Asks for the tool, `count` times at once, and ends when it has answered. */
const callsThenSays =
  (name: string, text: string, count = 1) =>
  (_: unknown, turn: number): Turn =>
    turn === 0 ? calls(name, count) : { text }

/** Asks a person for these fields, one form after another. */
const asking = (name: string, ...forms: JsonSchema[]): Fixture => ({
  asks: forms,
  turns: (_, turn) => {
    const fields = forms[turn]
    return fields === undefined
      ? { text: 'done' }
      : calls(questionTool(name, turn), 1, { question: 'Please fill in.' })
  },
})
const questionTool = (name: string, turn: number): string => (turn === 0 ? name : `${name}_${turn}`)

const properties = (fields: Record<string, JsonSchema>): JsonSchema => ({
  type: 'object',
  properties: fields,
})
const text = { type: 'string' }

const address = {
  $anchor: 'addressDef',
  type: 'object',
  properties: { street: text, city: text },
}
const dialect: JsonSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: { address },
  properties: {
    name: text,
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: text,
    email: text,
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

const fixtures: Readonly<Record<string, Fixture>> = {
  test_simple_text: { turns: says('This is a simple text response for testing.') },
  test_error_handling: { profile: 'one-step', turns: () => calls('test_error_handling') },
  test_tool_with_progress: { turns: callsThenSays('test_tool_with_progress', 'done') },
  json_schema_2020_12_tool: { input: dialect, turns: says('done') },
  greet: {
    input: properties({ name: text }),
    tasks: 'never',
    turns: ({ name }) => ({ text: `Hello, ${String(name)}!` }),
  },
  slow_compute: {
    input: properties({ seconds: { type: 'number' }, label: text }),
    turns: ({ seconds }, turn) =>
      turn === 0 ? calls('slow_compute', 1, { seconds: String(seconds ?? 0) }) : { text: 'computed' },
  },
  failing_job: { profile: 'one-step', tasks: 'always', turns: () => calls('failing_job') },
  protocol_error_job: { profile: 'without-a-key', turns: says('never said') },
  confirm_delete: {
    input: properties({ filename: text }),
    requiresApproval: true,
    turns: callsThenSays('confirm_delete', 'deleted'),
  },
  multi_input: { requiresApproval: true, turns: callsThenSays('multi_input', 'done', 2) },
  test_input_required_result_elicitation: asking(
    'test_input_required_result_elicitation',
    properties({ name: text }),
  ),
  test_input_required_result_request_state: asking(
    'test_input_required_result_request_state',
    properties({ ok: { type: 'boolean' } }),
  ),
  test_input_required_result_multi_round: asking(
    'test_input_required_result_multi_round',
    properties({ name: text }),
    properties({ color: text }),
  ),
  test_input_required_result_tampered_state: asking(
    'test_input_required_result_tampered_state',
    properties({ ok: { type: 'boolean' } }),
  ),
}

function toolsOf(name: string, fixture: Fixture): Tool[] {
  if (fixture.asks === undefined) return [toolOf(name, fixture)]
  return fixture.asks.map((answer, turn) =>
    askPerson({
      name: questionTool(name, turn),
      answer: { ...answer, required: Object.keys(answer['properties'] as object) },
    }),
  )
}

function toolOf(name: string, { requiresApproval }: Fixture): Tool {
  return defineTool({
    name,
    description: `The tool of ${name}.`,
    input: z.object({ seconds: z.coerce.number().default(0) }),
    idempotent: true,
    timeoutMs: 120_000,
    ...(requiresApproval ? { requiresApproval } : {}),
    run: async ({ seconds }, { signal }) => {
      await delay(seconds * 1_000, undefined, { signal })
      return 'done'
    },
  })
}

function agentOf(name: string, fixture: Fixture): AgentDefinition {
  const { input = properties({}), tasks, profile } = fixture
  return {
    mode: 'tools',
    description: `The fixture ${name}.`,
    tools: toolsOf(name, fixture).map(({ spec }) => spec.name),
    ...(profile === undefined ? {} : { profile }),
    mcp: { input, ...(tasks === undefined ? {} : { tasks }) },
  }
}

const script: Script = ({ task, turn, toolNames: [name = ''] }) => {
  const fixture = fixtures[name]
  if (fixture === undefined) return undefined
  return fixture.turns(JSON.parse(task) as Record<string, unknown>, turn)
}

const limits = { temperature: 0.2, timeoutMs: 120_000, executor: 'default' }

export function startFixtureFleet(): Promise<TestFleet> {
  const each = Object.entries(fixtures)
  return startTestFleet({
    http: true,
    model: { script },
    definition: {
      tools: each.flatMap(([name, fixture]) => toolsOf(name, fixture)),
      agents: Object.fromEntries(each.map(([name, fixture]) => [name, agentOf(name, fixture)])),
      models: {
        profiles: {
          'one-step': { ...limits, maxSteps: 1, models: ['scripted/scripted'] },
          'without-a-key': { ...limits, maxSteps: 1, models: ['openai/gpt-5-mini'] },
        },
      },
      // The suite sends a request a few milliseconds after the one before.
      limits: { rates: { userRequests: null, userTokens: null } },
    },
  })
}
