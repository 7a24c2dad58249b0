// The fleet of this directory. Every setting: docs/configuration.md of the package.
import { defineFleet } from 'flotilla'
import { clerk } from './agents/clerk.ts'
import { shippingCost } from './tools/shipping-cost.ts'

export default defineFleet({
  agents: { clerk },
  tools: [shippingCost],
})
