import { ownClassTests } from './suite/own-classes.ts'
import { wasm } from './wasm.ts'

ownClassTests(wasm)
