// Grafana's own model of a dashboard, from its Go SDK. Built once from test/infra/grafana-model, then cached.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { requireProgram, runTool } from './tool.ts'

const here = join(import.meta.dirname, 'grafana-model')

/** The path of a program that takes paths of dashboards, and ends with 1 if one is wrong. */
export async function grafanaModel(): Promise<string> {
  const inputs = ['go.mod', 'go.sum', 'main.go'].map((file) => readFileSync(join(here, file), 'utf8'))
  const folder = await cached('grafana-model', inputs, async (directory) => {
    const go = requireProgram('go', 'Install Go 1.24.6 or later and put it on PATH.')
    console.error('infra: building Grafana’s model from source; this takes minutes, once')
    const build = ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', '-ldflags=-s -w']
    await runTool(go, [...build, '-o', join(directory, 'grafana-model'), '.'], { cwd: here })
  })
  return join(folder, 'grafana-model')
}
