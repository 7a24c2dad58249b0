// What the chart holds of the rest of the repository, the plain manifests rendered from it, and the dashboards.
//
//   node deploy/generate.ts                      files of the chart, dashboards (part of npm run generate)
//   node deploy/generate.ts --check              only compares, and fails on a difference
//   node deploy/generate.ts --manifests HELM     renders deploy/kubernetes too, by this helm
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { format, resolveConfig } from 'prettier'
import { chartAccess } from './access.ts'
import { dashboardJson } from './grafana/dashboard-json.ts'
import { dashboards } from './grafana/panels.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const chart = join(root, 'deploy/helm/flotilla')
const manifests = join(root, 'deploy/kubernetes')
const dashboardFolder = join(root, 'deploy/grafana/dashboards')
const plainValues = join(root, 'deploy/helm/values/plain.yaml')
/** A version that the chart supports: a helm that is built from source takes an old one otherwise. */
const KUBERNETES = '1.34.0'

/** Absolute path → what the file must hold. */
async function generatedFiles(): Promise<Map<string, string>> {
  const data: (readonly [path: string, value: unknown])[] = [
    [join(chart, 'files/access.json'), await chartAccess()],
    ...dashboards.map(
      (board) => [join(dashboardFolder, `${board.name}.json`), dashboardJson(board)] as const,
    ),
  ]
  const files = new Map([
    [join(chart, 'files/rules.yml'), readFileSync(join(root, 'deploy/prometheus/rules.yml'), 'utf8')],
  ])
  for (const [path, value] of data)
    files.set(path, await format(JSON.stringify(value), { ...(await resolveConfig(path)), filepath: path }))
  return files
}

/** The manifests that `helm template` makes of the chart with the plain values, a file for each template. */
export function renderedManifests(helm: string): Map<string, string> {
  const args = [
    'template',
    'flotilla',
    chart,
    '--namespace',
    'flotilla',
    '--kube-version',
    KUBERNETES,
    '-f',
    plainValues,
  ]
  const text = execFileSync(helm, args, { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 })
  const files = new Map<string, string>()
  for (const document of text.split(/^---$/m)) {
    const template = /^# Source: flotilla\/templates\/(.+)$/m.exec(document)?.[1]
    // `helm test` is for those who have helm.
    if (template === undefined || template.startsWith('tests/')) continue
    const path = join(manifests, template)
    const head =
      '# Rendered from deploy/helm/flotilla by deploy/generate.ts. Do not edit: README.md says how.\n'
    const body = document.replace(/^# Source: .+\n/m, '').replace(/[ \t]+$/gm, '')
    files.set(path, `${files.get(path) ?? head}---${body.trimEnd()}\n`)
  }
  return files
}

/** Paths whose file is missing, differs, or should not be there. */
export function manifestDrift(helm: string): string[] {
  const wanted = renderedManifests(helm)
  const present = readdirSync(manifests).filter((name) => name.endsWith('.yaml'))
  const left = present.map((name) => join(manifests, name)).filter((path) => !wanted.has(path))
  return [...differing(wanted), ...left.map((path) => relative(root, path))]
}

function differing(files: ReadonlyMap<string, string>): string[] {
  const wrong = [...files].filter(([path, text]) => !existsSync(path) || readFileSync(path, 'utf8') !== text)
  return wrong.map(([path]) => relative(root, path))
}

export async function drift(): Promise<string[]> {
  return differing(await generatedFiles())
}

function write(files: ReadonlyMap<string, string>): void {
  for (const [path, text] of files) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
}

async function main([option, helm]: readonly string[]): Promise<void> {
  if (option === '--check') {
    const wrong = await drift()
    if (wrong.length === 0) return
    console.error(`Out of date: ${wrong.join(', ')}. Run \`npm run generate\` and commit what it writes.`)
    process.exitCode = 1
    return
  }
  write(await generatedFiles())
  if (option !== '--manifests' || helm === undefined) return
  for (const name of readdirSync(manifests)) if (name.endsWith('.yaml')) rmSync(join(manifests, name))
  write(renderedManifests(helm))
}

if (import.meta.main) await main(process.argv.slice(2))
