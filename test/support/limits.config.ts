// A fleet near the edge of its daily budget: each answer is short, and estimate and longest answer are a little above it.
import { defineFleet } from '../../runtime/config/define.ts'

const profile = { models: ['scripted/any'], temperature: 0, maxSteps: 2, executor: 'default' }

export default defineFleet({
  agents: { default: { mode: 'tools', profile: 'edge' } },
  models: { profiles: { edge: { ...profile, timeoutMs: 120_000, maxOutputTokens: 200 } } },
  limits: {
    budgets: { fleetTokens: 150_000, estimateTokens: 1_000 },
    rates: { userRequests: null, userTokens: null },
  },
})
