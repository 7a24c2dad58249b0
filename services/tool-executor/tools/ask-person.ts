import { z, type ZodType } from 'zod'
import { completeTerms, termsMistakes, type DecisionTerms } from '../../../runtime/config/approvals.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import type { JsonSchema, Tool } from '../../../runtime/config/fleet.ts'
import { FlotillaError } from '../../../runtime/errors.ts'

export interface AskPersonOptions<A = unknown> extends DecisionTerms {
  /** Default `ask_person`. Several question tools need a name each. */
  readonly name?: string
  /** One line for the model. */
  readonly description?: string
  /** What an answer must be: a zod schema or a JSON Schema. Default: text. */
  readonly answer?: ZodType<A> | JsonSchema
}

/** `ask_person(question, options)`: asks a person, and waits for the answer as long as it takes. */
export function askPerson<A>(options: AskPersonOptions<A> = {}): Tool {
  const { name = 'ask_person', answer, description, ...terms } = options
  const output: ZodType | JsonSchema = answer ?? z.string().min(1)
  const mistakes = termsMistakes(terms, 'askPerson')
  if (mistakes.length > 0) throw new FlotillaError('CONFIG_INVALID', `tool '${name}': ${mistakes.join('; ')}`)
  const tool = defineTool({
    name,
    description:
      description ??
      'Asks a person a question and returns the answer. Use it for what only a person can know or decide.',
    input: z.object({
      question: z.string().min(1).max(4_000).describe('what to ask, with all that is needed to answer it'),
      options: z.array(z.string().max(200)).max(20).optional().describe('answers to choose from'),
    }),
    output,
    run: (): never => {
      throw new FlotillaError('INTERNAL', `${name} is answered by a person, and never run`)
    },
  })
  const question = { ...completeTerms(terms), answer: tool.spec.output }
  return { ...tool, spec: { ...tool.spec, question } }
}
