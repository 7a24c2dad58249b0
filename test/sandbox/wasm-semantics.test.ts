import { semanticsTests } from './suite/semantics.ts'
import { wasm } from './wasm.ts'

semanticsTests(wasm)
