import { semanticsTests } from './suite/semantics.ts'
import { native } from './native.ts'

semanticsTests(native)
