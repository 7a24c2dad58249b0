// What a project may import of Flotilla, as this process runs it: sources in a clone, JavaScript in a package, or
// the modules of the bundle that deploy/bundle.ts makes of either.
import { pathToFileURL } from 'node:url'

interface OwnModule {
  readonly specifier: string
  /** From the root, without its extension. */
  readonly source: string
  /** Name in the bundle, without its extension. */
  readonly bundled: string
}

export const ownModules: readonly OwnModule[] = [
  { specifier: 'flotilla', source: 'client/index', bundled: 'flotilla' },
  {
    specifier: 'flotilla/tools',
    source: 'services/tool-executor/tools/index',
    bundled: 'flotilla-tools',
  },
  { specifier: 'flotilla/operator', source: 'operator/index', bundled: 'flotilla-operator' },
  { specifier: 'flotilla/evaluation', source: 'evaluation/index', bundled: 'flotilla-evaluation' },
  // No export of the package: the bundled examples are files of the same tree.
  { specifier: '', source: 'runtime/config/define', bundled: 'flotilla-define' },
]

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
/** In a bundle, import.meta.url names the source as everywhere, and import.meta.filename the bundle's file. */
const running = pathToFileURL(import.meta.filename).href
const isBundled = running !== import.meta.url

const urlOf = ({ source }: OwnModule): string =>
  new URL(`../../../${source}.${extension}`, import.meta.url).href
const runningUrlOf = (module: OwnModule): string =>
  isBundled ? new URL(`./${module.bundled}.js`, running).href : urlOf(module)

/** By what a project imports: the URL of the running instance. */
export const bySpecifier: ReadonlyMap<string, string> = new Map(
  ownModules.flatMap((each) => (each.specifier === '' ? [] : [[each.specifier, runningUrlOf(each)]])),
)

/** By the URL of a source: that of its instance in the bundle. Empty unless a bundle is running. */
export const bySource: ReadonlyMap<string, string> = new Map(
  isBundled ? ownModules.map((each) => [urlOf(each), runningUrlOf(each)]) : [],
)
