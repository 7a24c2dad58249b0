import { actionTests } from './suite/actions.ts'
import { wasm } from './wasm.ts'

actionTests(wasm)
