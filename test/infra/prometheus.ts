// A real Prometheus on loopback that scrapes what it is given, every second.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './port.ts'
import { scratch, startServer } from './server.ts'
import { installedProgram } from './tool.ts'

export interface Prometheus {
  readonly url: string
  /** The samples of an instant query now; rejects with Prometheus's reason if it is not PromQL. */
  query(expr: string): Promise<readonly { readonly value: readonly [number, string] }[]>
  stop(): Promise<void>
}

/** `targets`: host:port of processes with `/metrics`. */
export async function startPrometheus(targets: readonly string[]): Promise<Prometheus> {
  const program = await installedProgram('prometheus', 'prometheus')
  const directory = scratch('prometheus')
  const port = await freePort()
  const file = join(directory, 'prometheus.yml')
  const jobs = [{ job_name: 'flotilla', static_configs: [{ targets }] }]
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ global: { scrape_interval: '1s' }, scrape_configs: jobs }))
  const listen = `127.0.0.1:${port}`
  const server = await startServer({
    name: 'prometheus',
    command: program,
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=${listen}`,
    ],
    directory,
    ready: async () => (await fetch(`http://${listen}/-/ready`)).ok,
    stopSignal: 'SIGKILL',
  })
  return {
    url: `http://${listen}`,
    query: async (expr) => {
      const body = new URLSearchParams({ query: expr })
      const answer = await (await fetch(`http://${listen}/api/v1/query`, { method: 'POST', body })).json()
      const { status, error, data } = answer as {
        status: string
        error?: string
        data: { result: { value: [number, string] }[] }
      }
      if (status !== 'success') throw new Error(`${expr}: ${error ?? status}`)
      return data.result
    },
    stop: () => server.stop(),
  }
}
