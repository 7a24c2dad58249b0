// The fleet of fleet.config.ts, with a profile for each code executor, named as it is.
import { defineFleet } from '../../runtime/config/define.ts'
import fleet from './fleet.config.ts'

export const executors = ['wasm', 'native', 'docker', 'e2b', 'http'] as const
export type ExecutorName = (typeof executors)[number]

const profile = { models: ['scripted/any'], temperature: 0, maxSteps: 3, timeoutMs: 240_000 }

export default defineFleet({
  ...fleet,
  models: {
    profiles: Object.fromEntries(executors.map((executor) => [executor, { ...profile, executor }])),
  },
})
