import { featureTests } from './suite/features.ts'
import { wasm } from './wasm.ts'

featureTests(wasm)
