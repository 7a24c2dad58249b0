// Answers of people to questions of MCP servers.
import { compileJsonSchema } from '../../runtime/config/json-schema/compile.ts'
import { linearPatterns } from '../../runtime/foreign-schema/patterns.ts'
import type { Json } from '../../schemas/json.ts'
import type { Given, ServerQuestion } from './call.ts'

/** Checks answers with patterns in linear time: the schema is the server's. */
export const answerFits =
  ({ answer }: ServerQuestion) =>
  (given: Json): readonly string[] => [
    ...compileJsonSchema(answer, { patterns: linearPatterns })(given).problems,
  ]

/** An answer, as the server wants it. */
export function givenBy({ names, state }: ServerQuestion, answer: Json): Given {
  const [first = ''] = names
  const parts = names.length === 1 ? { [first]: answer } : (answer as { [name: string]: Json })
  const responses = Object.fromEntries(
    names.map((name) => [name, { action: 'accept' as const, content: parts[name] ?? null }]),
  )
  return { responses, state }
}
