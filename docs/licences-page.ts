// docs/licences.md: the packages that an installation of Flotilla brings along, by licence, from package-lock.json.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

interface Locked {
  readonly dev?: boolean
  readonly devOptional?: boolean
  readonly peer?: boolean
  readonly license?: string
}

/** Those whose package.json names none, as their LICENSE file has it. */
const unnamed: Readonly<Record<string, string>> = { '@kafkajs/confluent-schema-registry': 'MIT' }

/** Licences that ask for no more than their notice. Another one needs a decision. */
const permissive = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'MIT-0']

const root = fileURLToPath(new URL('..', import.meta.url))
const readJson = (name: string): unknown => JSON.parse(readFileSync(`${root}${name}`, 'utf8'))

/** Names of the packages by licence; throws if one has a licence that is not in `permissive`. */
function byLicence(): Map<string, string[]> {
  const { packages } = readJson('package-lock.json') as { packages: Record<string, Locked> }
  const found = new Map<string, Set<string>>()
  for (const [path, { dev, devOptional, peer, license }] of Object.entries(packages)) {
    if (path === '' || dev || devOptional || peer) continue
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const licence = license ?? unnamed[name] ?? 'none'
    if (!permissive.includes(licence))
      throw new Error(`${path} has the licence ${licence}: decide, and list it in docs/licences-page.ts`)
    found.set(licence, (found.get(licence) ?? new Set()).add(name))
  }
  return new Map([...found].map(([licence, names]) => [licence, [...names].sort()]))
}

export function licencesPage(): string {
  const licences = [...byLicence()].sort(([, a], [, b]) => b.length - a.length)
  const rows = licences.map(([licence, names]) => `| ${licence} | ${names.length} | ${names.join(', ')} |`)
  const { peerDependencies } = readJson('package.json') as { peerDependencies: Record<string, string> }
  return `# Licences

Generated from package-lock.json by \`npm run generate\`. Do not edit.

Flotilla is under the [Apache License 2.0](../LICENSE). These packages are installed with it, with what they need;
one with another licence than these fails the build. Optional packages (${Object.keys(peerDependencies).join(', ')}) are
installed by those who configure what needs them. The Python interpreter of the wasm executor is CPython, under the
PSF licence.

| licence | packages | names |
|---|---|---|
${rows.join('\n')}
`
}
