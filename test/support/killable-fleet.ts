// A whole fleet in a process of its own, on a directory of its own, that a test kills and starts again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { HttpClient } from '../../client/http/client.ts'
import { freePort } from '../infra/port.ts'
import { startServices, type ServiceProcess } from './service-process.ts'

/** A start on a loaded machine. */
const READY_MS = 120_000

export interface KillableFleet {
  readonly url: string
  /** For commands beside it. */
  readonly env: Readonly<Record<string, string>>
  readonly client: HttpClient
  /** The process that runs now. */
  process(): ServiceProcess
  /** SIGKILL; resolves once the next process is ready, at the same address. */
  killAndStart(): Promise<void>
}

/** A directory that goes with the test. */
export function testDirectory(t: TestContext, name: string): string {
  const directory = mkdtempSync(join(tmpdir(), `flotilla-${name}-`))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Its data is in `directory`. Resolves when it is ready; it ends with the test. */
export async function startKillable(
  t: TestContext,
  directory: string,
  own: Readonly<Record<string, string>>,
): Promise<KillableFleet> {
  const port = await freePort()
  const env = { FLOTILLA_DATA: join(directory, 'data'), FLOTILLA_PARTITIONS: '4', ...own }
  const start = () => startServices([], { env, port })
  let fleet = await start()
  t.after(() => fleet.kill9())
  await fleet.ready(READY_MS)
  const client = new HttpClient(fleet.url)
  t.after(() => client.close())
  return {
    url: fleet.url,
    env,
    client,
    process: () => fleet,
    async killAndStart() {
      await fleet.kill9()
      fleet = await start()
      await fleet.ready(READY_MS)
    },
  }
}
