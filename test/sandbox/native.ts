// The native executor for the conformance suite.
import { setImmediate } from 'node:timers/promises'
import {
  NativeExecutor,
  type NativeOptions,
} from '../../services/code-sandbox/executors/native/native-executor.ts'
import { installedProgram } from '../infra/tool.ts'
import { killIfThere } from '../support/kill.ts'
import { sessionProcesses } from './session-processes.ts'
import type { Subject } from './suite/subject.ts'

await installedProgram('bwrap', 'bubblewrap')
await installedProgram('python3', 'python3')

export const createNative = (options: Partial<NativeOptions> = {}): NativeExecutor =>
  new NativeExecutor({ memoryMb: 256, maxChildren: 4, ...options })

export const native: Subject<NativeExecutor> = {
  name: 'native',
  capabilities: { sameAddresses: true, sleepsJump: true, packages: [] },
  create: ({ memoryMb, maxLive } = {}) =>
    createNative({
      namespaces: true,
      ...(memoryMb && { memoryMb }),
      ...(maxLive && { maxChildren: maxLive }),
    }),
  live: (executor) => executor.children,
  async crash(executor) {
    if (executor.children > 0) for (const pid of sessionProcesses(process.pid)) killIfThere(pid)
    while (executor.children > 0) await setImmediate()
  },
}
