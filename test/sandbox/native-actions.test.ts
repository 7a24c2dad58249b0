import { actionTests } from './suite/actions.ts'
import { native } from './native.ts'

actionTests(native)
