// Programs that the tests build from Go modules: once, then from the cache.
import { join } from 'node:path'
import { cached } from './cache.ts'
import { requireProgram, runTool } from './tool.ts'

export interface GoProgram {
  /** Name of the built file. */
  readonly name: string
  /** `module/path@version`, whose go.sum is checked by Go's checksum database. */
  readonly source: string
  /** Name that `go install` gives the file, if it is another one. */
  readonly built?: string
}

export const helm: GoProgram = { name: 'helm', source: 'helm.sh/helm/v3/cmd/helm@v3.22.0' }
export const kubeconform: GoProgram = {
  name: 'kubeconform',
  source: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
}
export const compose: GoProgram = {
  name: 'docker-compose',
  source: 'github.com/docker/compose/v2/cmd@v2.40.3',
  built: 'cmd',
}

/** The path of the program. */
export async function goProgram({ name, source, built = name }: GoProgram): Promise<string> {
  const folder = await cached(name, [source], async (directory) => {
    const go = requireProgram('go', 'Install Go 1.24.6 or later and put it on PATH.')
    console.error(`infra: building ${name} from source; this takes minutes, once`)
    await runTool(go, ['install', '-trimpath', '-ldflags=-s -w', source], {
      env: { ...process.env, GOBIN: directory },
    })
  })
  return join(folder, built)
}
