// node test/golden/make-release.ts <directory> <version>: makes test/golden/releases/<version>.json.zst of a release's
// sources, with which the releases after it are run side by side (test/kafka/upgrade.test.ts).
//
// It holds the command and the fleet of the tests, bundled: a clone without history has it too. Packages are those of this
// clone. Files that are found beside a source, such as the interpreter of code-sandbox, are not in it.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { constants, zstdCompressSync } from 'node:zlib'
import { build } from 'esbuild'

const [directory, version] = process.argv.slice(2)
if (directory === undefined || version === undefined)
  throw new Error('usage: node test/golden/make-release.ts <directory of its sources> <version>')

const outdir = mkdtempSync(join(tmpdir(), 'flotilla-release-'))
await build({
  absWorkingDir: directory,
  entryPoints: {
    main: join(directory, 'cli/main.ts'),
    'fleet.config': join(directory, 'test/support/fleet.config.ts'),
  },
  outdir,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  packages: 'external',
  minify: true,
  legalComments: 'none',
  banner: { js: "const require = process.getBuiltinModule('module').createRequire(import.meta.url)" },
  logLevel: 'warning',
})
const files = readdirSync(outdir).map((name) => [name, readFileSync(join(outdir, name), 'utf8')])
rmSync(outdir, { recursive: true })
const params = { [constants.ZSTD_c_compressionLevel]: 22 }
writeFileSync(
  join(import.meta.dirname, `releases/${version}.json.zst`),
  zstdCompressSync(JSON.stringify(Object.fromEntries(files)), { params }),
)
