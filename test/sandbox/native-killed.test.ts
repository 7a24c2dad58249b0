import { killedTests } from './suite/killed.ts'
import { native } from './native.ts'

killedTests(native)
