// JSON-Schema-Test-Suite, as the source package of PyPI's jsonschema carries it, through each way that a schema of a user takes:
// arguments of a tool, results of a tool, and the output schema of a task. docs/compatibility.md explains every difference.
//
// 1. An answer is the suite's, or the schema was refused with a reason of `refusals`, or the difference is one of `designed`.
// 2. Nothing is answered wrongly in silence.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { defineTool } from '../../runtime/config/define.ts'
import type { Tool } from '../../runtime/config/fleet.ts'
import { isSchemaObject } from '../../runtime/config/json-schema/dialects.ts'
import { schemaMistakes } from '../../runtime/foreign-schema/bounds.ts'
import { createSchemaJobs } from '../../runtime/foreign-schema/jobs.ts'
import { createToolCaller } from '../../services/tool-executor/caller.ts'
import type { Json } from '../../schemas/json.ts'
import { unpacked } from './sdist.ts'

const suite = await unpacked({
  name: 'jsonschema',
  version: '4.26.0',
  sha256: '0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326',
})

const dialects = {
  'draft2020-12': 'https://json-schema.org/draft/2020-12/schema',
  'draft2019-09': 'https://json-schema.org/draft/2019-09/schema',
  draft7: 'http://json-schema.org/draft-07/schema#',
  draft6: 'http://json-schema.org/draft-06/schema#',
} as const
type Draft = keyof typeof dialects

interface Group {
  readonly description: string
  readonly schema: Json
  readonly tests: readonly { description: string; data: Json; valid: boolean }[]
}

function groupsOf(draft: Draft): Group[] {
  const folder = join(suite, 'json/tests', draft)
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) =>
      (JSON.parse(readFileSync(join(folder, file), 'utf8')) as Group[]).map((group) => ({
        ...group,
        description: `${file} | ${group.description}`,
        schema: inDialect(group.schema, draft),
      })),
    )
}

const inDialect = (schema: Json, draft: Draft): Json =>
  isSchemaObject(schema) && !('$schema' in schema) ? { $schema: dialects[draft], ...schema } : schema

/** Whether a value fits, or why the schema is refused. */
type Way = (schema: Json) => (data: Json) => Promise<boolean | string>

const said = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function toolOf(definition: object): Tool | string {
  try {
    const input = { type: 'object' }
    return defineTool({ name: 'a', description: 'A.', input, run: () => null, ...definition })
  } catch (error) {
    return said(error)
  }
}

const context = {
  signal: new AbortController().signal,
  taskId: 't',
  userId: null,
  agent: null,
  idempotencyKey: 'k',
  traceparent: null,
}

const toolArguments: Way = (schema) => {
  let received: unknown
  const run = (input: unknown) => (received = input)
  const tool = toolOf({ input: isSchemaObject(schema) ? { type: 'object', ...schema } : schema, run })
  return async (data) => {
    if (typeof tool === 'string') return tool
    // Arguments are objects: other data never comes as far as a tool.
    if (!isSchemaObject(data)) return 'not an object'
    return tool.run(data, context).then(
      () => isDeepStrictEqual(received, data) || 'read otherwise than written',
      (error: unknown) => (/^arguments of a: /.test(said(error)) ? false : said(error)),
    )
  }
}

const toolResult: Way = (schema) => {
  let result: Json = null
  const tool = toolOf({ output: schema, run: () => result })
  if (typeof tool === 'string') return async () => tool
  const keyValue = { get: async () => null, set: async () => {} }
  const call = createToolCaller({ fleet: { tools: [tool] }, keyValue, log: { warn: () => {} } })
  const request = {
    taskId: 't',
    tool: 'a',
    arguments: {},
    cacheTtlMs: null,
    userId: null,
    agent: null,
    deadlineMs: Number.MAX_SAFE_INTEGER,
  }
  return async (data) => {
    result = data
    return call(request, { ...context, callId: 'c', key: 't' } as never).then(
      () => true,
      (error: unknown) => (/does not fit its schema/.test(said(error)) ? false : said(error)),
    )
  }
}

/** As the threads of a fleet do it, without their limits of time. */
const jobs = createSchemaJobs()

const taskOutput: Way = (schema) => {
  const [mistake] = schemaMistakes(schema, 32_768)
  const schemaText = JSON.stringify(schema)
  return async (data) => {
    if (mistake !== undefined) return mistake
    try {
      return 'fits' in jobs.check({ schemaText, isOwn: false, candidates: [data] })
    } catch (error) {
      return said(error)
    }
  }
}

const refusals: readonly RegExp[] = [
  /not an object/,
  // Defaults, and values that can only mean one thing (runtime/config/json-schema/coercion.ts).
  /read otherwise than written/,
  /must be a (zod schema or a )?JSON Schema/,
  /must describe an object/,
  /nothing is fetched|must begin with #/,
  /is supported in a schema without \$id below its root/,
  /\$id is not allowed below the root|\$recursiveRef is not allowed/,
  /\$schema must be that of draft 6/,
  /the name __proto__ is not supported/,
  /references could not be followed/,
  /resolves to more than one schema/,
  /where no schema stands/,
  /patterns of a task's schema are RE2's/,
]

const designed: readonly [reason: string, cases: RegExp][] = [
  [
    'arguments are an object, wherever # refers to them',
    /^ref\.json \| (root pointer ref|simple URN base URI)/,
  ],
  ['a format is checked, not only noted', /^format\.json \| .*is only an annotation by default$/],
  [
    'in drafts 6 and 7 what stands beside $ref counts',
    /^ref\.json \| (ref overrides any sibling|\$ref prevents a sibling)/,
  ],
  ['an address in quotes or at an IP is no e-mail address', /^optional\/format\/email\.json/],
  [
    'formats of other alphabets are not checked',
    /^optional\/format\/(idn-email|idn-hostname|iri|iri-reference)\.json/,
  ],
  ['formats are checked as ajv-formats does', /^optional\/format\//],
  ['content in a string is not decoded', /^optional\/content\.json/],
  ['a default that does not fit is left out', /^default\.json \| the default keyword does not do anything/],
]

interface Report {
  right: number
  refused: number
  designed: Map<string, number>
  wrong: string[]
}

async function reportOf(draft: Draft, way: Way): Promise<Report> {
  const report: Report = { right: 0, refused: 0, designed: new Map(), wrong: [] }
  for (const { description: group, schema, tests } of groupsOf(draft)) {
    const answerTo = way(schema)
    for (const { description, data, valid } of tests)
      note(report, `${group} | ${description}`, await answerTo(data), valid)
  }
  return report
}

function note(report: Report, name: string, answer: boolean | string, valid: boolean): void {
  const reason = designed.find(([, cases]) => cases.test(name))?.[0]
  if (answer === valid) report.right += 1
  else if (typeof answer === 'string' && refusals.some((each) => each.test(answer))) report.refused += 1
  else if (reason !== undefined) report.designed.set(reason, (report.designed.get(reason) ?? 0) + 1)
  else report.wrong.push(`${name}: ${String(answer)}, not ${valid}`)
}

const runs: readonly [draft: Draft, name: string, way: Way, atLeast: number][] = [
  ['draft2020-12', 'arguments of a tool', toolArguments, 400],
  ['draft2020-12', 'results of a tool', toolResult, 1_700],
  ['draft2020-12', 'the output of a task', taskOutput, 1_650],
  ['draft2019-09', 'results of a tool', toolResult, 1_650],
  ['draft7', 'results of a tool', toolResult, 1_000],
  ['draft6', 'results of a tool', toolResult, 900],
]
for (const [draft, name, way, atLeast] of runs)
  test(`${draft}, ${name}: the suite's answers, or a refusal with its reason`, async (t) => {
    const { wrong, ...counts } = await reportOf(draft, way)
    t.diagnostic(JSON.stringify({ ...counts, designed: Object.fromEntries(counts.designed) }))
    assert.deepEqual(wrong, [])
    assert.ok(counts.right >= atLeast, `${counts.right} answers are the suite's`)
  })
