// The e2b executor for the conformance suite, on a double of E2B's API.
import { after } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { E2bExecutor, type E2bOptions } from '../../services/code-sandbox/executors/e2b/e2b-executor.ts'
import { E2bDouble } from './e2b-double.ts'
import type { Subject } from './suite/subject.ts'

export const api = new E2bDouble()
await api.listen()
after(() => api.close())
Object.assign(process.env, { E2B_API_KEY: E2bDouble.key, E2B_API_URL: api.url, E2B_SANDBOX_URL: api.url })

export const createE2b = (options: Partial<E2bOptions> = {}): E2bExecutor =>
  new E2bExecutor({ memoryMb: 256, maxChildren: 4, ...options })

export const e2b: Subject<E2bExecutor> = {
  name: 'e2b',
  capabilities: { sameAddresses: false, sleepsJump: true, packages: [] },
  create: ({ memoryMb, maxLive } = {}) =>
    createE2b({ ...(memoryMb && { memoryMb }), ...(maxLive && { maxChildren: maxLive }) }),
  live: (executor) => executor.children,
  async crash(executor) {
    for (const box of [...api.boxes.values()]) api.kill(box)
    while (executor.children > 0) await setImmediate()
  },
}
