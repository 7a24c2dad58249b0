import { killedTests } from './suite/killed.ts'
import { wasm } from './wasm.ts'

killedTests(wasm)
