// node deploy/bundle.ts [--image]: the `flotilla` command in few files, of the sources of this clone (cli/bin.js runs it).
// `npm run build` makes the package's of its JavaScript.
//
// 1. A start reads 150 files instead of 1,400: resolving and linking them took half of its processor time.
// 2. import.meta.url stays that of the source, because files are found beside it; import.meta.filename is the
//    bundle's (runtime/config/project/own-modules.ts). No module of the bundle is a program by itself: import.meta.main is false.
// 3. Scripts of threads and children stay files of their own, which the bundle does not contain.
// 4. In a clone the bundle counts only while every file that it was made of is unchanged.
import { builtinModules } from 'node:module'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Plugin } from 'esbuild'
import { ownModules } from '../runtime/config/project/own-modules.ts'

const repository = fileURLToPath(new URL('..', import.meta.url))

/**
 * Left to node_modules: kafkajs because deep parts of it are loaded beside the whole, the tracing SDK because it patches
 * modules, tokenizers because they are data; and what is optional.
 */
const external = [
  'kafkajs',
  '@kafkajs/confluent-schema-registry',
  '@opentelemetry/exporter-*',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-node',
  'gpt-tokenizer',
  'gpt-tokenizer/*',
  'e2b',
  'weave',
  'esbuild',
  'pg-native',
]

/** CommonJS packages in an ECMAScript module load optional packages by `require`. */
const banner = "const require = process.getBuiltinModule('module').createRequire(import.meta.url)"

export interface BundleOptions {
  /** Ends with a separator; holds cli/, client/ and the others, in files with this extension. */
  readonly root: string
  readonly extension: 'ts' | 'js'
  /** Where it will be, from the root. */
  readonly place: string
  /** Where it is written meanwhile. Default: there. */
  readonly directory?: string
}

/** Resolves with the files that it is made of, as absolute paths. */
export async function bundle({
  root,
  extension,
  place,
  directory = root + place,
}: BundleOptions): Promise<string[]> {
  rmSync(directory, { recursive: true, force: true })
  const entries = [
    { source: 'cli/main', bundled: 'main' },
    { source: 'cli/project-modules', bundled: 'project-modules' },
    ...ownModules,
  ]
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: Object.fromEntries(
      entries.map(({ source, bundled }) => [bundled, `${root}${source}.${extension}`]),
    ),
    outdir: directory,
    chunkNames: '[name]-[hash]',
    bundle: true,
    minifyWhitespace: true,
    lineLimit: 160,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    legalComments: 'none',
    banner: { js: banner },
    external,
    plugins: [ownPlace(root, place), builtIns, undiciInParts],
    metafile: true,
    logLevel: 'warning',
  })
  const files = Object.keys(metafile.inputs).filter((path) => !/^(built-in|undici-in-parts):/.test(path))
  return files.map((path) => root + path)
}

/** Keeps import.meta.url that of the source: a path from the bundle, whose files are all in one folder. */
function ownPlace(root: string, place: string): Plugin {
  return {
    name: 'own-place',
    setup(build) {
      build.onLoad({ filter: /\.[jt]s$/ }, ({ path }) => {
        if (!path.startsWith(root) || path.includes(`${sep}node_modules${sep}`)) return null
        const source = JSON.stringify(
          relative(root + place, path)
            .split(sep)
            .join('/'),
        )
        const text = readFileSync(path, 'utf8')
          .replaceAll('import.meta.main', 'false')
          .replaceAll('import.meta.url', `new URL(${source}, import.meta.url).href`)
        return { contents: text, loader: path.endsWith('.ts') ? 'ts' : 'js' }
      })
    },
  }
}

/** Asks for Node's own modules: importing one loads all that its exports may need, 50 ms in all. */
const builtIns: Plugin = {
  name: 'built-ins',
  setup(build) {
    const namespace = 'built-in'
    const isBuiltIn = new RegExp(`^(node:.*|${builtinModules.join('|')})$`)
    build.onResolve({ filter: isBuiltIn }, ({ path }) => ({ path, namespace }))
    build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/** Loads of undici what is used when it is used: what keeps connections needs a third of the package. */
const undiciInParts: Plugin = {
  name: 'undici-in-parts',
  setup(build) {
    const namespace = 'undici-in-parts'
    const parts = {
      Agent: 'lib/dispatcher/agent.js',
      EnvHttpProxyAgent: 'lib/dispatcher/env-http-proxy-agent.js',
      buildConnector: 'lib/core/connect.js',
    }
    const whole = ['request', 'fetch']
    const getter = (name: string, from: string): string => `get ${name}() { return require(${from}) }`
    const getters = [
      ...Object.entries(parts).map(([name, path]) => getter(name, JSON.stringify(`undici/${path}`))),
      ...whole.map((name) => `get ${name}() { return require('undici/index.js').${name} }`),
    ]
    build.onResolve({ filter: /^undici$/ }, () => ({ path: 'undici', namespace }))
    build.onLoad({ filter: /.*/, namespace }, () => ({
      contents: `module.exports = { ${getters.join(', ')} }`,
      resolveDir: repository,
    }))
  },
}

/** What cli/bin.js compares before it runs the bundle of a clone. */
interface Manifest {
  /** Path from the root, size, time of the last change in milliseconds. */
  readonly inputs: readonly (readonly [path: string, size: number, mtimeMs: number])[]
}

/** `isImage`: nothing changes in an image, so nothing is compared. */
export async function bundleClone({
  isImage = false,
  directory = `${repository}.cache/command`,
} = {}): Promise<void> {
  const draft = `${directory}.${process.pid}`
  const files = await bundle({ root: repository, extension: 'ts', place: '.cache/command', directory: draft })
  const own = [...files.filter((path) => !path.includes('/node_modules/')), `${repository}package-lock.json`]
  const inputs = own.sort().map((path) => {
    const { size, mtimeMs } = statSync(path)
    return [path.slice(repository.length), size, mtimeMs] as const
  })
  const manifest: Manifest = { inputs: isImage ? [] : inputs }
  writeFileSync(`${draft}/manifest.json`, JSON.stringify(manifest))
  rmSync(directory, { recursive: true, force: true })
  renameSync(draft, directory)
}

if (import.meta.main) await bundleClone({ isImage: process.argv.includes('--image') })
