// Other frameworks on the same task, by a folder of scripts: `DIR/run.sh list` names them, `DIR/run.sh NAME` ends with
// one line of JSON. They bring a model server of their own, whose conversations are the same.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { runTool } from '../test/infra/tool.ts'
import type { Figures } from './measure.ts'

/** Those that keep a task over a crash, and the best without. */
export const usualPeers = ['bullmq', 'restate', 'calfkit-kafka', 'openai-agents']
const LIMIT_MS = 300_000

interface PeerLine {
  readonly peer: string
  readonly version?: string
  readonly error?: string
  readonly tasks?: number
  readonly c1_p50_ms?: number
  readonly c1_p99_ms?: number
  readonly tput_tasks_s?: number
  readonly rss_mb?: number
  /** Of driver, workers and servers. */
  readonly cpu_ms_per_task?: Readonly<Record<string, number>>
}

/** Rejects with the names that there are if one is unknown, or with what to do if the folder is not set up. */
export async function checkPeers(directory: string, names: readonly string[]): Promise<void> {
  if (!existsSync(join(directory, 'run.sh')))
    throw new Error(`${directory} has no run.sh: name the folder of the peers`)
  if (!existsSync(join(directory, 'js/node_modules')))
    throw new Error(`the peers are not installed: run ${join(directory, 'setup.sh')}`)
  const known = (await runTool('bash', ['run.sh', 'list'], { cwd: directory })).trim().split(/\s+/)
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0)
    throw new Error(`no peer named ${unknown.join(', ')}; there are: ${known.join(', ')}`)
}

export async function measurePeer(directory: string, name: string): Promise<Figures> {
  const said = await runTool('bash', ['run.sh', name], { cwd: directory, timeoutMs: LIMIT_MS })
  const line = JSON.parse(said.trim().split('\n').at(-1) ?? '') as PeerLine
  if (line.error !== undefined) throw new Error(`${name}: ${line.error}`)
  return {
    name: line.version ? `${name} ${line.version}` : name,
    tasks: line.tasks ?? 0,
    p50Ms: line.c1_p50_ms ?? NaN,
    p99Ms: line.c1_p99_ms ?? NaN,
    perSecond: line.tput_tasks_s ?? NaN,
    cpuMs: Object.values(line.cpu_ms_per_task ?? {}).reduce((sum, each) => sum + each, 0),
    rssMb: line.rss_mb ?? NaN,
  }
}
