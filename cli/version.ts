import { createRequire } from 'node:module'

// By the package's own name: this file is in cli/ of a checkout, in dist/cli/ of a package.
const { version } = createRequire(import.meta.url)('flotilla/package.json') as { version: string }

/** Version of this package. */
export const VERSION: string = version
