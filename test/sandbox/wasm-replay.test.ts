import { replayTests } from './suite/replay.ts'
import { wasm } from './wasm.ts'

replayTests(wasm)
