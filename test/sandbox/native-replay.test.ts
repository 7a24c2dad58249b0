import { replayTests } from './suite/replay.ts'
import { native } from './native.ts'

replayTests(native)
