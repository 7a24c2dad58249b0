// npm run build: what npm publishes. Node does not strip types under node_modules, so packages carry JavaScript and
// declarations; the files that code reads beside itself are copied along. The command runs as a bundle of that JavaScript.
import { execFileSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { buildConsole } from '../console/build.ts'
import { bundle } from './bundle.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const assets = [
  'services/code-sandbox/executors/wasm/artefact',
  'services/code-sandbox/executors/python',
  'services/code-sandbox/executors/cpython',
  'examples/data',
  'examples/conversations',
  'examples/starter',
  'schemas/asyncapi.yaml',
]

rmSync(`${root}dist`, { recursive: true, force: true })
execFileSync(
  process.execPath,
  [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`],
  { stdio: 'inherit' },
)
for (const asset of assets) cpSync(root + asset, `${root}dist/${asset}`, { recursive: true })
await buildConsole(`${root}dist/console/built`)
await bundle({ root: `${root}dist/`, extension: 'js', place: 'command' })
