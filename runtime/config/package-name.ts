// In a checkout, `import … from 'flotilla'` in a config means these sources; an installed package has its own
// dist.
import { registerHooks } from 'node:module'

const sources: Readonly<Record<string, string>> = {
  flotilla: '../../client/index.ts',
  'flotilla/tools': '../../services/tool-executor/tools/index.ts',
}

let registered = false

/** Takes effect once per process; does nothing in the compiled package. */
export function resolveOwnName(): void {
  if (registered || !import.meta.url.endsWith('.ts')) return
  registered = true
  registerHooks({
    resolve(specifier, context, next) {
      const source = sources[specifier]
      return source === undefined
        ? next(specifier, context)
        : { url: new URL(source, import.meta.url).href, format: 'module-typescript', shortCircuit: true }
    },
  })
}
