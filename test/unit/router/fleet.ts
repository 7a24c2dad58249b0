// A small fleet for the tests of stages.
import { completeAlerts } from '../../../runtime/config/alerts.ts'
import { defineTool } from '../../../runtime/config/define.ts'
import {
  defaultLimits,
  defaultPrices,
  defaultProfiles,
  defaultSizes,
} from '../../../runtime/config/defaults.ts'
import { defaultTiers } from '../../../runtime/models/strategies.ts'
import type { Fleet } from '../../../runtime/config/fleet.ts'

export const weather = defineTool({
  name: 'get_weather',
  description: 'Weather of a city.',
  input: {
    type: 'object',
    properties: { city: { type: 'string' }, days: { type: 'integer', default: 1 } },
    required: ['city'],
    additionalProperties: false,
  },
  output: { type: 'object' },
  run: () => ({}),
})

export const transfer = defineTool({
  name: 'transfer_money',
  description: 'Moves money.',
  input: { type: 'object', properties: { amount: { type: 'number' } }, required: ['amount'] },
  requiresApproval: true,
  run: () => null,
})

export function fleetOf(
  changes: Omit<Partial<Fleet>, 'models'> & { models?: Partial<Fleet['models']> } = {},
): Fleet {
  const { models, ...rest } = changes
  return {
    agents: {},
    tools: [weather, transfer],
    limits: defaultLimits,
    metering: { retentionDays: 400 },
    alerts: completeAlerts({}),
    executors: ['default', 'wasm'],
    ...rest,
    models: {
      default: 'gpt-4o',
      profiles: defaultProfiles,
      providers: {
        openai: { baseUrl: 'https://api.openai.com/v1', keyEnv: 'OPENAI_API_KEY' },
        groq: { baseUrl: 'https://api.groq.com/openai/v1', keyEnv: 'GROQ_API_KEY' },
      },
      prices: defaultPrices,
      sizes: defaultSizes,
      strategy: null,
      tiers: defaultTiers,
      ...models,
    },
  }
}
