// How the files of a user's project are loaded: flotilla.config.ts, and what it imports.
//
// 1. `import … from 'flotilla'` is the instance that this process runs (own-modules.ts), so that a project's errors
//    and tools are of the classes that the fleet knows.
// 2. A file with import or export is a module, whatever package.json says: `npm init` writes
//    "type": "commonjs", with which Node refuses it. A file of CommonJS's syntax stays what it is.
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { bySource, bySpecifier } from './own-modules.ts'

let registered = false

/** Takes effect once per process. */
export function hookProjectModules(): void {
  if (registered) return
  registered = true
  registerHooks({
    resolve(specifier, context, next) {
      const own = bySpecifier.get(specifier)
      if (own !== undefined) return ownModule(own)
      const found = next(specifier, context)
      const bundled = bySource.get(found.url)
      if (bundled !== undefined) return ownModule(bundled)
      return isModule(found) ? { ...found, format: moduleFormats[found.format as CommonFormat] } : found
    },
  })
}

const ownModule = (url: string) => ({
  url,
  format: url.endsWith('.ts') ? 'module-typescript' : 'module',
  shortCircuit: true,
})

const moduleFormats = { commonjs: 'module', 'commonjs-typescript': 'module-typescript' } as const
type CommonFormat = keyof typeof moduleFormats

/** At the beginning of a line: `import x`, `import {`, `import '`, `export default`, `export const`, … */
const moduleSyntax =
  /^\s*(import\s*["'{*]|import\s+[\w$]|export\s*[{*]|export\s+(default|const|let|var|function|async|class|type|interface|abstract)\b)/m

function isModule({ url, format }: { url: string; format?: string | null | undefined }): boolean {
  if (format == null || !(format in moduleFormats)) return false
  if (!/^file:.*\.[jt]s$/.test(url) || url.includes('/node_modules/')) return false
  try {
    return moduleSyntax.test(readFileSync(fileURLToPath(url), 'utf8'))
  } catch {
    // Node reports a file that can't be read.
    return false
  }
}
