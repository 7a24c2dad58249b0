import { limitTests } from './suite/limits.ts'
import { native } from './native.ts'

limitTests(native)
