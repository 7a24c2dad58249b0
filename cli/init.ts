// A project to begin with: a configuration, an agent and a tool that run as they are.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { FlotillaError, messageOf } from '../runtime/errors.ts'
import { shown } from '../schemas/identity.ts'

/** The task that the agent is made for; the scripted model has a recorded conversation for it. */
export const FIRST_TASK = 'What does it cost to send 3 kg to Norway?'

const configuration = (
  model: string | null,
): string => `// The fleet of this directory. Every setting: docs/configuration.md of the package.
import { defineFleet } from 'flotilla'
import { clerk } from './agents/clerk.ts'
import { shippingCost } from './tools/shipping-cost.ts'

export default defineFleet({
  agents: { clerk },
  tools: [shippingCost],${model === null ? '' : `\n  models: { default: '${model}' },`}
})
`

const files: Readonly<Record<string, string>> = {
  'agents/clerk.ts': `import type { AgentDefinition } from 'flotilla'

export const clerk: AgentDefinition = {
  description: 'Answers questions about parcels.',
  // tools: JSON tool calls. code: the model writes Python, in which each tool is a function.
  mode: 'tools',
  instructions: 'Answer in one sentence, with the price in euros.',
  tools: ['shipping_cost'],
  // A task may name its model: flotilla run --model …
  overrides: { model: true },
}
`,
  'tools/shipping-cost.ts': `import { defineTool } from 'flotilla'

const eurosPerKilo: Readonly<Record<string, number>> = { Norway: 4.2, Portugal: 3.1 }

export const shippingCost = defineTool<{ country: string; kilos: number }, number>({
  name: 'shipping_cost',
  description: 'Price in euros of sending a parcel to a country.',
  // A JSON Schema, or a zod object.
  input: {
    type: 'object',
    properties: { country: { type: 'string' }, kilos: { type: 'number', exclusiveMinimum: 0 } },
    required: ['country', 'kilos'],
  },
  output: { type: 'number' },
  // Safe to repeat: retried after a failure, and called again after a crash.
  idempotent: true,
  run: ({ country, kilos }) => {
    const price = eurosPerKilo[country]
    if (price === undefined)
      throw new Error(\`no price for \${country}; there are: \${Object.keys(eurosPerKilo).join(', ')}\`)
    return Math.round(100 * price * kilos) / 100
  },
})
`,
  '.env.example': `# Copy to .env, and read it into the shell: set -a; . ./.env; set +a

# One of these chooses the model.
OPENAI_API_KEY=
# GROQ_API_KEY=
# ANTHROPIC_API_KEY=
# A server of your own that speaks OpenAI's API:
# OPENAI_BASE_URL=http://127.0.0.1:8080/v1
# OPENAI_MODEL=

# Where the fleet keeps its data, and where its HTTP API listens.
# FLOTILLA_DATA=.flotilla
# PORT=8000
`,
}

const GIT_IGNORE = ['.gitignore', '.flotilla/\n.env\nnode_modules/\n'] as const

export interface InitOptions {
  /** The fleet's model: `provider/model`, or `scripted`. Default: the one whose key is set. */
  readonly model?: string
}

/**
 * Writes the files below this directory; returns their paths. Throws REQUEST_INVALID, having written none, if one
 * of them exists; only a .gitignore stays as it is.
 */
export function init(directory: string, { model }: InitOptions = {}): string[] {
  if (model !== undefined && !/^[A-Za-z0-9][\w./:@-]*$/.test(model))
    throw new FlotillaError(
      'REQUEST_INVALID',
      `--model must be provider/model or scripted, not "${shown(model)}"`,
    )
  const all = { 'flotilla.config.ts': configuration(model ?? null), ...files }
  const taken = Object.keys(all).filter((name) => existsSync(join(directory, name)))
  if (taken.length > 0)
    throw new FlotillaError(
      'REQUEST_INVALID',
      `${directory} has ${taken.join(', ')} already, which init would overwrite; nothing was written. Give another directory: flotilla init my-fleet`,
    )
  const ignoring = existsSync(join(directory, GIT_IGNORE[0])) ? [] : [GIT_IGNORE]
  return [...Object.entries(all), ...ignoring].map(([name, text]) => write(join(directory, name), text))
}

function write(path: string, text: string): string {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
    return path
  } catch (cause) {
    throw new FlotillaError('REQUEST_INVALID', `writing ${path}: ${messageOf(cause)}`, { cause })
  }
}
