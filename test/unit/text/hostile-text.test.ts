// Text from outside takes time in proportion to its length. A pattern with two ways to match the same characters, or
// one that starts again at each of them, takes the square of it or worse, and nothing else runs meanwhile: one request
// of a megabyte would stop a process for minutes. Each row is such a text for one reader.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import type { AgentTool } from '../../../api/agents.ts'
import { compileArguments } from '../../../runtime/config/json-schema/coercion.ts'
import { compileJsonSchema } from '../../../runtime/config/json-schema/compile.ts'
import { parseExact } from '../../../runtime/json/exact.ts'
import { patternsOf, searchFor } from '../../../runtime/foreign-schema/patterns.ts'
import { repeatedNames, withNamesKept } from '../../../runtime/json/names.ts'
import { withoutSlips } from '../../../runtime/json/slips.ts'
import { lostStep, resetSession } from '../../../services/code-sandbox/executors/verdicts.ts'
import { argumentProblems } from '../../../services/gateway/mcp/agent-tools.ts'
import { readArguments } from '../../../services/planner/tools/call-arguments.ts'
import { readCode } from '../../../services/planner/code/blocks.ts'
import { AttachedReader } from '../../../services/planner/model/attached.ts'
import { readings } from '../../../services/planner/result/output-schema.ts'
import { markedAsData } from '../../../services/planner/prompts/replies.ts'
import { complexityOf } from '../../../services/router/admission/estimate.ts'

/** What is linear takes a fiftieth of it on a busy machine; what is not, many times as long. */
const LIMIT_MS = 60_000
const LARGE = 300_000

const estimate = (text: string) => complexityOf(text, false)
const slips = (text: string) => withoutSlips(text, () => 'null')
const done = lostStep({ code: 'CODE_FAILED', class: 'E', message: '', traceback: '' }, '', 0)
const lostNames = (code: string) => resetSession(done, [{ kind: 'step', n: 1, code, nowMs: 0, seed: 'a' }])
const attached = (text: string) => {
  const reader = new AttachedReader()
  for (const name of text.split(' '))
    reader.read({ reasoning_details: [{ type: 'text', text: 'a', [name]: 1 }] })
  return reader.value
}
/** Twice the time for each letter, on V8's engine. */
const slowPattern = { type: 'string', pattern: '^(a+)+$' } as const
const inputSchema = { type: 'object', properties: { a: slowPattern } } as const
const toolInput = compileArguments(inputSchema, patternsOf({}))
const toolOutput = compileJsonSchema(slowPattern, patternsOf({}))
const agentInput = (a: string) => argumentProblems({ inputSchema } as unknown as AgentTool, { a })
const manyWays = `${'a'.repeat(100)}!`
const names = (most: number) => Array.from({ length: most }, (_, at) => `a${at}`).join(' ')
const oneName = (most: number) => `{${Array.from({ length: most }, (_, at) => `"a":${at}`).join(',')}}`
const times = (text: string, most = LARGE) => text.repeat(most / text.length)
const block = "```python\n\\'''\n```\n"

const rows: readonly (readonly [what: string, read: (text: string) => unknown, text: string])[] = [
  ['zeros before the last digit of a number', parseExact, `100000000000000000.${times('0')}1`],
  ['one name many times, kept', withNamesKept, oneName(LARGE / 10)],
  ['one name many times, found', repeatedNames, oneName(LARGE / 10)],
  ['quotes in a string without end', slips, `{"a": "${times('\\"')}`],
  ['quotes in a string in single quotes without end', slips, `{"a": '${times("\\\\'")}`],
  ['comments that do not end', slips, `{"a": 1${times(',/*')}`],
  ['names that no colon follows', slips, `{${times('a ')}}`],
  ['one long name that no colon follows', slips, `{${times('a$')} }`],
  ['commas before blanks', slips, `[${times(',  ')}`],
  ['blanks behind arguments', readArguments, `{${times(' ')}x`],
  ['marks behind arguments', readArguments, `{${times('<a>')}x`],
  ['marks behind arguments, in two readings', readArguments, `{\t${times('<|a|>\t', 290)}<0`],
  ['pairs behind the name of a code block', readCode, `\`\`\`python ${times('a=', 100)}a !\nx = 1\n\`\`\``],
  ['many pairs behind it', readCode, `\`\`\`python ${times('a=b ')}!\nx = 1\n\`\`\``],
  [
    'a bracket behind it, and another line end',
    readCode,
    `\`\`\`python {${times(' ')}\u2028x\nx = 1\n\`\`\``,
  ],
  ['blocks with a string that never ends', readCode, times(block)],
  ['blocks with two strings, one of which ends', readCode, `${times(block)}'''\n"""`],
  ['marks of a fence before another line end', readings, `${times('~')}\u2028x`],
  ['blanks behind an angle bracket', markedAsData, `<${times(' ')}`],
  ['line ends of a task', estimate, `${times('\n')}x`],
  ['blanks in a line of code', lostNames, `a${times(' ')}:${times(' ')}x`],
  ['a long name that is imported', lostNames, `import ${times('a')}*`],
  ["arguments for a tool's pattern", (a) => toolInput({ a }), manyWays],
  ["a result for a tool's pattern", toolOutput, manyWays],
  ['a text for a forbidden pattern', searchFor('(a+)+$'), manyWays],
  ["an error for an alert's pattern", searchFor('^(A|AA)+$', 'i'), manyWays],
  ["arguments for an agent's pattern", agentInput, manyWays],
  ['fields of one thought in many pieces', attached, names(LARGE / 10)],
]

for (const [what, read, text] of rows) {
  test(`time in proportion to its length: ${what}`, () => {
    assert.doesNotThrow(() => runInNewContext('read(text)', { read, text }, { timeout: LIMIT_MS }))
  })
}
