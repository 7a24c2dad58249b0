import { escapeTests } from './suite/escapes.ts'
import { wasm } from './wasm.ts'

await escapeTests(wasm)
