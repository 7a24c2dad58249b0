import { limitTests } from './suite/limits.ts'
import { wasm } from './wasm.ts'

limitTests(wasm)
