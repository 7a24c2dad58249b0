// A project to begin with: a configuration, an agent and a tool that run as they are.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { FlotillaError } from '../runtime/errors.ts'

const files: Readonly<Record<string, string>> = {
  'flotilla.config.ts': `// The fleet of this directory. Every setting: docs/configuration.md of the package.
import { defineFleet } from 'flotilla'
import { clerk } from './agents/clerk.ts'
import { shippingCost } from './tools/shipping-cost.ts'

export default defineFleet({
  agents: { clerk },
  tools: [shippingCost],
})
`,
  'agents/clerk.ts': `import type { AgentDefinition } from 'flotilla'

export const clerk: AgentDefinition = {
  description: 'Answers questions about parcels.',
  // tools: JSON tool calls. code: the model writes Python, in which each tool is a function.
  mode: 'tools',
  instructions: 'Answer in one sentence, with the price in euros.',
  tools: ['shipping_cost'],
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

/** Writes the files below this directory; resolves with their paths. Writes none if one of them exists. */
export function init(directory: string): string[] {
  const paths = Object.keys(files).map((name) => join(directory, name))
  const taken = paths.filter((path) => existsSync(path))
  if (taken.length > 0) {
    const names = taken.map((path) => relative(directory, path)).join(', ')
    throw new FlotillaError(
      'REQUEST_INVALID',
      `${directory} has ${names} already, which init would overwrite; nothing was written. Give another directory: flotilla init my-fleet`,
    )
  }
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text, { flag: 'wx' })
  }
  return paths
}
