import { e2b } from './e2b.ts'
import { escapeTests } from './suite/escapes.ts'

// The double's processes run on this machine without namespaces: what holds here is sandbox_jail.py alone.
// The ways of the language lead to what the others take at once.
await escapeTests(e2b, { without: ['language'] })
