// The chart of deploy/helm, rendered by the real helm.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { goProgram, helm } from '../infra/go-program.ts'
import { runTool } from '../infra/tool.ts'

export const root = join(import.meta.dirname, '../..')
export const chart = join(root, 'deploy/helm/flotilla')
export const valuesFile = (name: string): string => join(root, `deploy/helm/values/${name}.yaml`)

export interface KubernetesObject {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  // The rest is as different as the kinds; each test says what it expects.
  readonly spec: never
}

/** Text that `helm template` prints for a file of values, with further values on top. */
export async function template(file: string, more: object = {}): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'flotilla-values-'))
  try {
    const extra = join(folder, 'values.json')
    writeFileSync(extra, JSON.stringify(more))
    const release = ['flotilla', chart, '--namespace', 'fleet', '--kube-version', '1.34.0']
    const args = ['template', ...release, '-f', valuesFile(file), '-f', extra]
    return await runTool(await goProgram(helm), args)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export async function render(file: string, more?: object): Promise<KubernetesObject[]> {
  const documents = parseAllDocuments(await template(file, more))
  return documents.map((each) => each.toJS() as KubernetesObject).filter((each) => each !== null)
}

/** The spec of this object, in the form that the caller expects of its kind. */
export function specOf<Spec>(objects: readonly KubernetesObject[], kind: string, name: string): Spec {
  const found = objects.find((each) => each.kind === kind && each.metadata.name === name)
  if (!found) throw new Error(`the chart makes no ${kind} ${name}`)
  return found.spec
}

export interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env: readonly EnvironmentEntry[]
  readonly resources: unknown
  readonly securityContext: unknown
  readonly volumeMounts: readonly {
    readonly name: string
    readonly mountPath: string
    readonly readOnly?: boolean
  }[]
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
}

export interface EnvironmentEntry {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: { readonly secretKeyRef: { readonly name: string; readonly key: string } }
}

export interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
  readonly initialDelaySeconds?: number
  readonly periodSeconds: number
  readonly timeoutSeconds?: number
  readonly failureThreshold?: number
}

interface SecretSource {
  readonly secret: {
    readonly name: string
    readonly items: readonly { readonly key: string; readonly path: string }[]
  }
}

export interface Volume {
  readonly name: string
  readonly emptyDir?: object
  readonly projected?: { readonly sources: readonly SecretSource[] }
  readonly configMap?: { readonly name: string }
}

export interface PodSpec {
  readonly automountServiceAccountToken: boolean
  readonly terminationGracePeriodSeconds: number
  readonly runtimeClassName?: string
  readonly securityContext: { readonly runAsUser: number; readonly runAsGroup: number }
  readonly containers: readonly [Container]
  readonly volumes: readonly Volume[]
}

export interface Workload {
  readonly replicas?: number
  readonly template: { readonly spec: PodSpec }
}
