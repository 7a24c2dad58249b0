// The docker executor for the conformance suite, on the engine that test/infra started for this run.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import {
  DockerExecutor,
  type DockerOptions,
} from '../../services/code-sandbox/executors/docker/docker-executor.ts'
import { runTool } from '../infra/tool.ts'
import type { Subject } from './suite/subject.ts'

assert.ok(process.env['DOCKER_HOST'], 'DOCKER_HOST is not set: run this by node test/run.ts sandbox docker')

export const createDocker = (options: Partial<DockerOptions> = {}): DockerExecutor =>
  new DockerExecutor({ memoryMb: 256, maxChildren: 4, ...options })

export async function containers(): Promise<string[]> {
  const listed = await runTool('docker', ['ps', '-q', '--filter', 'label=flotilla.sandbox'])
  return listed.split('\n').filter(Boolean)
}

export const docker: Subject<DockerExecutor> = {
  name: 'docker',
  capabilities: { sameAddresses: false, sleepsJump: true, packages: [] },
  create: ({ memoryMb, maxLive } = {}) =>
    createDocker({ ...(memoryMb && { memoryMb }), ...(maxLive && { maxChildren: maxLive }) }),
  live: (executor) => executor.children,
  async crash(executor) {
    const ids = await containers()
    if (ids.length > 0) await runTool('docker', ['kill', ...ids])
    while (executor.children > 0) await setImmediate()
  },
}
