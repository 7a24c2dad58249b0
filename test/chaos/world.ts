// What stands outside the fleet in a chaos run, and is never killed: the model server and the tool server, both counting.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startScriptedModel } from '../../runtime/scripted-model/server.ts'
import { startToolServer } from '../support/tool-server.ts'
import { begin } from './evidence.ts'
import { script } from './tasks.ts'

export interface World extends AsyncDisposable {
  /** Where the evidence of the run is gathered. */
  readonly directory: string
  /** For the processes of the fleet. */
  readonly env: Readonly<Record<string, string>>
}

/** Without a directory the evidence is thrown away at the end. */
export async function startWorld(directory?: string): Promise<World> {
  const kept = directory ?? mkdtempSync(join(tmpdir(), 'flotilla-chaos-'))
  mkdirSync(kept, { recursive: true })
  const files = begin(kept)
  const model = await startScriptedModel({ script, log: files.model })
  const tools = await startToolServer({ log: files.tools, latencyMs: () => 300 + Math.random() * 1_700 })
  return {
    directory: kept,
    env: {
      FLOTILLA_SCRIPTED_URL: model.url,
      TOOL_SERVER_URL: tools.url,
      FLOTILLA_SANDBOX_CHILDREN: '2',
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all([model.stop(), tools.stop()])
      if (directory === undefined) rmSync(kept, { recursive: true, force: true })
    },
  }
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
