// Builds the interpreter from the sources beside this file and in ../../python: CPython as a WASI component
// (componentize-py), transpiled to core modules (jco), packed into ../artefact. `--check` only compares the
// sources with what the artefact was built from. Needs python3 with venv, npm, and the registries of PyPI and
// npm at the first run; tools land in .cache.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, zstdCompressSync } from 'node:zlib'
import { MANIFEST, PACKED, WINDOW_LOG, sha256, type ArtefactManifest } from '../artefact.ts'
import { filesIn } from './compare.ts'

const PINS = { 'componentize-py': '0.25.1', tzdata: '2026.6', '@bytecodealliance/jco': '1.35.0' } as const
const LEVEL = 22

const here = fileURLToPath(new URL('.', import.meta.url))
/** The program that every executor runs. */
const program = fileURLToPath(new URL('../../python/', import.meta.url))
const cache = fileURLToPath(new URL('../../../../../.cache/sandbox-build/', import.meta.url))
const venv = join(cache, 'venv')
const packages = join(cache, 'packages')
const component = join(cache, 'python.wasm')
const transpiled = join(cache, 'transpiled')

function run(command: string, args: readonly string[], cwd = cache): void {
  execFileSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** Hash of everything that the artefact is made from. */
export function sourcesHash(): string {
  const hash = createHash('sha256').update(JSON.stringify(PINS))
  for (const folder of [program, join(here, 'python'), join(here, 'wit')])
    for (const name of readdirSync(folder)
      .filter((file) => /\.(py|wit)$/.test(file))
      .toSorted())
      hash.update(`${basename(folder)}/${name}\0`).update(readFileSync(join(folder, name)))
  return hash.digest('hex')
}

function installTools(): void {
  mkdirSync(cache, { recursive: true })
  const pip = join(venv, 'bin/pip')
  if (!existsSync(pip)) run('python3', ['-m', 'venv', venv])
  run(pip, ['install', '--quiet', `componentize-py==${PINS['componentize-py']}`])
  run(pip, [
    'install',
    '--quiet',
    '--upgrade',
    '--no-compile',
    '--target',
    packages,
    `tzdata==${PINS.tzdata}`,
  ])
  writeFileSync(join(cache, 'package.json'), '{ "private": true }\n')
  run('npm', [
    'install',
    '--no-audit',
    '--no-fund',
    '--silent',
    `@bytecodealliance/jco@${PINS['@bytecodealliance/jco']}`,
  ])
}

function compile(): void {
  const world = ['--wit-path', join(here, 'wit'), '--world', 'sandbox']
  const paths = ['-p', join(here, 'python'), '-p', program, '-p', packages]
  run(join(venv, 'bin/componentize-py'), [...world, 'componentize', ...paths, 'app', '-o', component])
  rmSync(transpiled, { recursive: true, force: true })
  const jco = join(cache, 'node_modules/.bin/jco')
  const options = [
    '--name',
    'python',
    '--instantiation',
    'sync',
    '--no-nodejs-compat',
    '--no-typescript',
    '--quiet',
  ]
  run(process.execPath, [jco, 'transpile', component, '-o', transpiled, ...options])
}

/** Builds without packing; the directory of the files. */
export function rebuild(): string {
  installTools()
  compile()
  return transpiled
}

function pack(): void {
  const names = filesIn(transpiled)
  const contents = names.map((name) => readFileSync(join(transpiled, name)))
  const params = { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_windowLog]: WINDOW_LOG }
  const packed = zstdCompressSync(Buffer.concat(contents), { params })
  const files = names.map((name, i) => ({
    name,
    bytes: contents[i]?.length ?? 0,
    sha256: sha256(contents[i] ?? Buffer.of()),
  }))
  const manifest: ArtefactManifest = { sha256: sha256(packed), sources: sourcesHash(), tools: PINS, files }
  mkdirSync(new URL('.', PACKED), { recursive: true })
  writeFileSync(PACKED, packed)
  writeFileSync(MANIFEST, `${JSON.stringify(manifest, null, 2)}\n`)
  process.stdout.write(`python.bin.zst: ${packed.length} bytes, sha256 ${manifest.sha256}\n`)
}

function check(): void {
  const manifest = JSON.parse(readFileSync(MANIFEST, 'utf8')) as ArtefactManifest
  if (manifest.sources === sourcesHash()) return
  process.stderr.write(
    'the sandbox artefact is older than its sources: run services/code-sandbox/executors/wasm/build/build.ts\n',
  )
  process.exitCode = 1
}

if (import.meta.main) {
  if (process.argv.includes('--check')) check()
  else {
    rebuild()
    pack()
  }
}
