// The fleet that runs where a project has no flotilla.config.ts of its own: general tools, and an agent that writes Python.
// Copy it and change it; every key is optional, and docs/configuration.md lists them all.
import { defineFleet } from 'flotilla'
import { standardTools } from 'flotilla/tools'

export default defineFleet({
  tools: [...standardTools],
  // On your own machine, anyone who submits a task may choose. Leave this out if others submit tasks.
  overrides: {
    mode: true,
    model: true,
    profile: true,
    strategy: true,
    maxSteps: 10_000,
    timeoutMs: 2_592_000_000,
  },
  agents: {
    default: {
      mode: 'code',
      description: 'Writes Python that calls tools, and keeps variables between steps.',
    },
    tools: { mode: 'tools', description: 'Calls tools as JSON, several at once.' },
  },
})
