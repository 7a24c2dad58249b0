// Whether a call needs a person before it is made: its tool says so of all calls, by a rule, or its task asks.
import { compileArguments } from '../../runtime/config/json-schema/coercion.ts'
import { defaultTerms, type Terms } from '../../runtime/config/approvals.ts'
import type { Fleet, ToolSpec } from '../../runtime/config/fleet.ts'
import { compileJsonSchema } from '../../runtime/config/json-schema/compile.ts'
import { failure } from '../../runtime/errors.ts'
import { patternsOf } from '../../runtime/foreign-schema/patterns.ts'
import { hasPrototypeName } from '../../runtime/json/names.ts'
import type { Call, Decision } from '../../runtime/stage.ts'
import type { Failure } from '../../schemas/generated/events.ts'
import type { RuleCall } from './call.ts'
import { hold, type Checks, type Fits } from './held.ts'
import type { Asked } from './refusal.ts'
import type { Held, Rule, ToolRows } from './rows.ts'

/** A rule decides from the arguments alone. */
const RULE_MS = 1_000

export type Gated =
  | { readonly do: 'pass' }
  | { readonly do: 'refuse'; readonly error: Failure }
  | { readonly do: 'wait'; readonly decided: Decision<ToolRows> }

export function gate(asked: Asked, spec: ToolSpec, id: string, fits: Fits): Gated {
  const { request, nowMs } = asked
  // Rows of older versions do not say.
  const isAsked = request.ask ?? false
  // A spec that was not made by defineTool may need an approval without saying by whom: by anyone who may decide.
  if (!spec.question && !spec.approval && !spec.requiresApproval && !isAsked) return { do: 'pass' }
  const problems = fits(request.arguments)
  if (problems.length > 0) {
    const message = `The arguments of ${request.tool} do not fit: ${problems.join('; ')}`
    return { do: 'refuse', error: failure('TOOL_ARGUMENTS_INVALID', message) }
  }
  if (spec.approval?.rule === 'when' && !isAsked && !spec.question)
    return { do: 'wait', decided: { call: ruleCall(asked) } }
  return { do: 'wait', decided: ask(asked, spec, isAsked ? 'asked' : 'always', { id, atMs: nowMs }) }
}

/** The call waits for a person before it is made. */
export function ask(
  { request, askedMs }: Pick<Asked, 'request' | 'askedMs'>,
  spec: ToolSpec,
  rule: Rule,
  at: { readonly id: string; readonly atMs: number },
): Decision<ToolRows> {
  const terms = spec.question ?? spec.approval ?? defaultTerms
  return hold(
    {
      request,
      askedMs,
      why: spec.question ? 'question' : 'approval',
      ...heldFrom(terms, rule, at.atMs),
      terms: { ...plainTerms(terms), rule, answer: spec.question?.answer ?? null },
    },
    at,
  )
}

export const heldFrom = (
  terms: Terms,
  rule: Rule,
  atMs: number,
): Pick<Held, 'heldAtMs' | 'expiresAtMs' | 'terms' | 'votes'> => ({
  heldAtMs: atMs,
  expiresAtMs: terms.expiresMs === null ? null : atMs + terms.expiresMs,
  terms: { ...plainTerms(terms), rule, answer: null },
  votes: [],
})

const plainTerms = ({ expiresMs, onExpiry, approvers, needed, selfApproval, notify }: Terms): Terms => ({
  ...{ expiresMs, onExpiry, approvers, needed, notify },
  ...(selfApproval === false && { selfApproval }),
})

function ruleCall({ request }: Asked): Call {
  const { tool, arguments: args, deadlineMs } = request
  const asked: RuleCall = { tool, arguments: args }
  return {
    kind: 'rule',
    // A breaker of its own: what fails here says nothing of the tool.
    target: `rule of ${tool}`,
    request: asked,
    timeoutMs: RULE_MS,
    untilMs: deadlineMs,
    idempotent: true,
  }
}

/** The checks of each tool, compiled when they are first needed. */
export function checksOf(tools: Fleet['tools']): (tool: string) => Checks {
  const specs = new Map(tools.map(({ spec }) => [spec.name, spec]))
  const compiled = new Map<string, Checks>()
  return (tool) => {
    const found = compiled.get(tool) ?? checksFor(specs.get(tool))
    compiled.set(tool, found)
    return found
  }
}

function checksFor(spec: ToolSpec | undefined): Checks {
  const patterns = spec ? patternsOf(spec) : {}
  const value = (schema: ToolSpec['output'] | undefined): Fits => {
    const check = schema ? compileJsonSchema(schema, patterns) : null
    return (given) => check?.(given).problems ?? []
  }
  const input = spec ? compileArguments(spec.input, patterns) : null
  return {
    arguments: (given) =>
      hasPrototypeName(given) ? ['have a property "__proto__"'] : (input?.(given).problems ?? []),
    answer: value(spec?.question?.answer),
    output: value(spec?.output),
  }
}
