// Scores one answer by the scorers of its case.
//
// 1. A task that did not succeed has no answer: every scorer gives 0, and says why.
// 2. What is no fault of the answer (a judge that fails, a function that throws or never ends) is no score: the case counts as
//    not scored, and is scored again when the run is resumed.
import type { EvaluationScore } from '../api/schemas/evaluations.ts'
import type { TaskResult } from '../client/types.ts'
import { shortened } from '../runtime/text/bounded-text.ts'
import { FlotillaError, messageOf } from '../runtime/errors.ts'
import type { JsonSchema } from '../runtime/config/fleet.ts'
import type { SchemaChecks } from '../runtime/foreign-schema/checks.ts'
import { textOf, type Answer, type Case, type Score, type Scorer } from './cases.ts'
import type { UserFunction } from './user-code/user-function.ts'
import * as conduct from './scorers/conduct.ts'
import * as text from './scorers/text.ts'
import { jsonIn, json, jsonSubset, number } from './scorers/values.ts'
import type { SpecOf } from './scorers/specs.ts'

const MAX_REASON_CHARS = 1_000

export interface Verdict {
  /** Null: the judge gave none. */
  readonly score: Score | null
  /** Why there is none. */
  readonly problem: string | null
  /** US dollars. */
  readonly cost: number
  readonly costIsGuess: boolean
}

export interface ScoringParts {
  readonly schemas: SchemaChecks
  /** Asks the model of a judge scorer. `name`: the scorer's, unique in its case. */
  readonly judge: (spec: SpecOf<'judge'>, name: string, answer: Answer) => Promise<Verdict>
}

export interface Scored {
  /** Null: not scored, because of `problem`. */
  readonly score: number | null
  readonly passed: boolean
  readonly scores: EvaluationScore[]
  readonly problem: string | null
  readonly judgeCost: number
  readonly costIsGuess: boolean
}

interface Given {
  readonly score: Score | null
  readonly problem: string | null
  readonly cost: number
  readonly costIsGuess: boolean
}

const given = (score: Score): Given => ({ score, problem: null, cost: 0, costIsGuess: false })

export async function scoreCase(of: Case, result: TaskResult, parts: ScoringParts): Promise<Scored> {
  const answer: Answer = {
    input: of.input,
    ...(of.expected === undefined ? {} : { expected: of.expected }),
    output: result.output,
    text: textOf(result.output),
    metadata: of.metadata,
    result,
  }
  const found: { scorer: Scorer; given: Given }[] = []
  // One after the other: judges of one answer would only wait for each other.
  for (const scorer of of.scorers) found.push({ scorer, given: await scoreBy(scorer, of, answer, parts) })
  return together(found)
}

function together(found: readonly { scorer: Scorer; given: Given }[]): Scored {
  const scores = found.flatMap(({ scorer: { name, weight, pass }, given: { score } }): EvaluationScore[] => {
    if (score === null) return []
    const reason = score.reason === null ? null : shortened(score.reason, MAX_REASON_CHARS)
    return [{ scorer: name, score: score.score, weight, passed: score.score >= pass, reason }]
  })
  const problem = found.find((each) => each.given.problem !== null)?.given.problem ?? null
  const weights = scores.reduce((sum, { weight }) => sum + weight, 0)
  const score = scores.reduce((sum, each) => sum + each.score * each.weight, 0) / weights
  return {
    score: problem === null ? Math.min(1, score) : null,
    passed: problem === null && scores.every(({ passed }) => passed),
    scores,
    problem,
    judgeCost: found.reduce((sum, each) => sum + each.given.cost, 0),
    costIsGuess: found.some((each) => each.given.costIsGuess),
  }
}

async function scoreBy(scorer: Scorer, of: Case, answer: Answer, parts: ScoringParts): Promise<Given> {
  const { result } = answer
  if (result.status !== 'succeeded') return given(text.wrong(failureText(result)))
  const { rule, name } = scorer
  if (rule.type === 'judge') return parts.judge(rule, name, answer)
  if (rule.type === 'function') return scoreByFunction(rule.score, name, of, answer)
  if (rule.type === 'schema') return scoreBySchema(rule, name, of, answer, parts)
  return given(scoreByRule(rule, answer))
}

type SyncRule = Exclude<Scorer['rule'], { type: 'judge' | 'function' | 'schema' }>

function scoreByRule(rule: SyncRule, { text: answer, output, expected = null, result }: Answer): Score {
  switch (rule.type) {
    case 'exact':
      return text.exact(answer, expected)
    case 'normalised':
      return text.normalised(answer, expected)
    case 'contains':
      return text.contains(answer, expected, rule)
    case 'regex':
      return text.regex(answer, rule)
    case 'json':
      return json(output, expected)
    case 'json-subset':
      return jsonSubset(output, expected)
    case 'number':
      return number(output, expected, rule)
    case 'tools':
      return conduct.tools(result, rule)
    case 'max-cost':
      return conduct.maxCost(result, rule)
    case 'max-steps':
      return conduct.maxSteps(result, rule)
    case 'max-latency':
      return conduct.maxLatency(result, rule)
  }
}

const failureText = ({ status, error }: TaskResult): string =>
  `the task ended as ${status}${error ? ` (${error.code}: ${error.message})` : ''}`

async function scoreBySchema(
  { schema }: SpecOf<'schema'>,
  name: string,
  of: Case,
  { output }: Answer,
  { schemas }: ScoringParts,
): Promise<Given> {
  const value = jsonIn(output)
  const candidates = [output, ...(value === undefined || value === output ? [] : [value])]
  const wanted = schema ?? of.task.outputSchema ?? {}
  try {
    const fit = await schemas.check({ schema: wanted as JsonSchema, key: of.id }, candidates)
    return given('fits' in fit ? text.right : text.wrong(fit.problems.join('; ')))
  } catch (error) {
    if (!(error instanceof FlotillaError)) throw error
    return failed(`${name} could not be checked: ${error.message}`)
  }
}

async function scoreByFunction(score: UserFunction, name: string, of: Case, answer: Answer): Promise<Given> {
  try {
    return given(await score.score(answer))
  } catch (error) {
    return failed(`${name} ${messageOf(error)} (case ${of.id})`)
  }
}

const failed = (problem: string): Given => ({ score: null, problem, cost: 0, costIsGuess: false })
