import { escapeTests } from './suite/escapes.ts'
import { native } from './native.ts'

await escapeTests(native)
