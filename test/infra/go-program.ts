// Programs that the tests build from Go modules: once, then from the cache.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { requireProgram, runTool } from './tool.ts'

export interface GoProgram {
  /** Name of the built file. */
  readonly name: string
  /** Path of its package. */
  readonly source: string
  /** Of its module; Go's checksum database holds it, and all that it needs, to what was published. */
  readonly version: string
}

export const helm: GoProgram = { name: 'helm', source: 'helm.sh/helm/v3/cmd/helm', version: 'v3.22.0' }
export const kubeconform: GoProgram = {
  name: 'kubeconform',
  source: 'github.com/yannh/kubeconform/cmd/kubeconform',
  version: 'v0.8.0',
}
export const kubeScore: GoProgram = {
  name: 'kube-score',
  source: 'github.com/zegl/kube-score/cmd/kube-score',
  version: 'v1.20.0',
}
export const compose: GoProgram = {
  name: 'docker-compose',
  source: 'github.com/docker/compose/v2/cmd',
  version: 'v2.40.3',
}

const BUILD_LIMIT_MS = 2_400_000
const goRemedy = 'Install Go 1.24.6 or later and put it on PATH.'

/** The path of the program. */
export async function goProgram({ name, source, version }: GoProgram): Promise<string> {
  const folder = await cached(name, [source, version], async (directory) => {
    const go = requireProgram('go', goRemedy)
    console.error(`infra: building ${name} from source; this takes minutes, once`)
    // In a module of ours: `go install` refuses packages whose module excludes or replaces others.
    const module = join(directory, 'module')
    mkdirSync(module)
    const run = (...args: string[]) => runTool(go, args, { cwd: module, timeoutMs: BUILD_LIMIT_MS })
    await run('mod', 'init', 'flotilla-tests')
    await run('get', `${source}@${version}`)
    const build = ['build', '-mod=mod', '-trimpath', '-buildvcs=false', '-ldflags=-s -w']
    await run(...build, '-o', join(directory, name), source)
    rmSync(module, { recursive: true })
  })
  return join(folder, name)
}

/** The folder of a published module, as Go's own cache keeps it: read it, change nothing. */
export async function goModule(path: string, version: string): Promise<string> {
  const go = requireProgram('go', goRemedy)
  const answer = await runTool(go, ['mod', 'download', '-json', `${path}@${version}`])
  return (JSON.parse(answer) as { Dir: string }).Dir
}
